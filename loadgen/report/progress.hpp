// Spate - what a run shows while it goes on.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "loadgen/fleet/fleet.hpp"

namespace spate::loadgen {

/// "[#########......] 60% 1:05 left" of `width` characters for the bar.
[[nodiscard]] std::string progress_bar(double done, double left_s, int width = 20);
/// 75 -> "1:15", 3700 -> "1:01:40".
[[nodiscard]] std::string clock_text(double seconds);
/// 1234567 -> "1.23M"; at most five characters.
[[nodiscard]] std::string short_number(double value);

/// One line on a terminal, refreshed; plain lines every few seconds elsewhere; nothing if quiet.
/// Writes to stderr, so that standard output holds results only.
class StatusLine {
public:
  static constexpr std::int64_t kPlainLineNs = 5'000'000'000;

  explicit StatusLine(bool quiet);
  ~StatusLine();
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  /// True if a line would be shown now: saves making it.
  [[nodiscard]] bool due(std::int64_t now_ns) const noexcept;
  void show(const std::string& line, std::int64_t now_ns);
  /// A line that stays.
  void note(const std::string& line);
  /// Takes the refreshed line away.
  void clear();

private:
  const bool quiet_;
  const bool terminal_;
  bool shown_ = false;
  std::int64_t next_ns_ = 0;
};

/// The status of a fleet between two looks.
class FleetStatus {
public:
  /// `total` messages make up 100 %; 0 = unknown. `duration_s` 0 = unknown.
  FleetStatus(std::uint64_t total, double duration_s) : total_(total), duration_s_(duration_s) {}

  [[nodiscard]] std::string line(const FleetProgress& progress, const Stats& totals,
                                 std::int64_t now_ns);

private:
  std::uint64_t total_;
  double duration_s_;
  std::int64_t last_ns_ = 0;
  std::uint64_t last_sent_ = 0;
  std::uint64_t last_acked_ = 0;
};

} // namespace spate::loadgen
