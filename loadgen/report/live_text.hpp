// Spate - what a terminal shows of a run while it goes on, as lines of text.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loadgen/fleet/fleet.hpp"
#include "loadgen/report/report_parts.hpp"

namespace spate::loadgen {

struct LivePlan {
  std::string title; ///< "steady", or what is loaded.
  Course course;
  std::uint64_t total = 0;  ///< Messages of 100 %; 0 = unknown.
  double duration_s = 0;    ///< With the warm-up; 0 = unknown.
  bool acknowledged = true; ///< QoS 1 and 2.
};

/// Follows the figures of a run from second to second.
/// Thread: one; the clock comes in as an argument.
class LiveText {
public:
  static constexpr std::size_t kHistory = 60; ///< Seconds of the sparkline.
  static constexpr std::size_t kErrorsShown = 3;

  explicit LiveText(LivePlan plan) : plan_(std::move(plan)) {}

  /// What stands at `now_ns`; several times a second.
  void take(const FleetProgress& progress, Stats totals, std::int64_t now_ns);
  void take_server(const std::optional<std::pair<ServerSample, ServerSample>>& last_two);
  /// A line of something that runs beside the fleet; empty for none.
  void take_beside(std::string text) { beside_ = std::move(text); }

  /// Each at most `columns` wide. Without `utf8` in ASCII.
  [[nodiscard]] std::vector<std::string> lines(std::size_t columns, bool utf8) const;

private:
  struct Rates {
    double sent = 0, acked = 0;
  };
  [[nodiscard]] std::string head(std::size_t columns) const;
  [[nodiscard]] std::string errors(std::size_t columns) const;

  LivePlan plan_;
  FleetProgress progress_;
  Stats totals_;
  std::int64_t second_ns_ = 0; ///< When the last second began,
  Stats at_second_;            ///< and what had been counted then.
  Rates rates_;
  Histogram latency_, lag_;    ///< Of the last whole second.
  std::deque<double> history_; ///< Acknowledged, or sent, in each of the last seconds.
  std::optional<std::pair<double, std::uint64_t>> server_; ///< Share of a core, resident bytes.
  std::string beside_;
};

/// What has been recorded in `now` and not in `before`, an earlier state of it.
[[nodiscard]] Histogram since(const Histogram& now, const Histogram& before);

/// `values` as bars from 0 to their largest.
[[nodiscard]] std::string sparkline(const std::deque<double>& values, bool utf8);

/// How many columns `text` takes, and its begin that takes at most `columns`: one column a
/// character of UTF-8.
[[nodiscard]] std::size_t columns_of(std::string_view text) noexcept;
[[nodiscard]] std::string_view cut_to(std::string_view text, std::size_t columns) noexcept;

} // namespace spate::loadgen
