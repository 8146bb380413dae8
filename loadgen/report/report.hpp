// Spate - what a run says at its end: a table for people, and the verdict of every report.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "loadgen/fleet/fleet.hpp"

namespace spate::loadgen {

/// What was asked for, in words, beside the result.
struct ReportHead {
  std::vector<std::string> command_line;
  std::string target;
  std::string load;  ///< "flood, 20 unacknowledged messages a device (closed loop)".
  bool begun = true; ///< False: what failed beside it, before its start, is all there is to say.
  bool closed_loop = false;
  bool idle = false; ///< Nothing is to be sent.
  bool precise = false;
  bool reconnect = false;
  std::uint8_t qos = 1;
  std::uint64_t devices = 0;
  double rate = 0;          ///< Asked for; 0 = none.
  bool answering = false;   ///< Devices take commands.
  std::string beside_fault; ///< What failed beside the fleet; empty if nothing did.
  std::string beside_rows;  ///< What ran beside it, as rows of the table.
};

struct Verdict {
  bool ok = false;
  std::string text; ///< "ok", or what failed.
  bool saturated =
      false; ///< The generator was the bottleneck: the figures say little about the server.
  std::string saturation; ///< Why it was, or how far from it.
};

/// A generator that is later than this by its own fault (p99) is the bottleneck of an open loop.
inline constexpr double kLagMsMax = 5.0;
/// A thread that wants a core for more than this share of the time is the bottleneck of any loop.
inline constexpr double kBusyShareMax = 0.95;

[[nodiscard]] Verdict judge(const ReportHead& head, const FleetResult& result);

/// The table that ends a run.
[[nodiscard]] std::string report_table(const ReportHead& head, const FleetResult& result);

/// Quantiles in ms, as numbers and as a line; null and "none measured" without any.
[[nodiscard]] nlohmann::json times_json(const Histogram& times);
[[nodiscard]] std::string times_text(const Histogram& times);
void table_row(std::string& out, std::string_view name, const std::string& text);
[[nodiscard]] double per_second(std::uint64_t count, double seconds) noexcept;
/// Acknowledged a second, or sent where there are no acknowledgements (QoS 0).
[[nodiscard]] double rate_of(const ReportHead& head, const FleetResult& result) noexcept;
/// Microseconds are as exact as the histograms are.
[[nodiscard]] double rounded(double value) noexcept;

/// 1234567 -> "1,234,567".
[[nodiscard]] std::string grouped(std::uint64_t value);
/// printf with a double or two; for short texts of known length.
[[nodiscard]] std::string formatted(const char* format, double a, double b = 0);

} // namespace spate::loadgen
