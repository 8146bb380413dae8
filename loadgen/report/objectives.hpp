// Spate - objectives: what a run must reach, and whether it did.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "loadgen/fleet/fleet.hpp"

namespace spate::loadgen {

/// In what a metric is measured; numbers are nanoseconds, bytes and parts of 1.
enum class MetricUnit : std::uint8_t { time, bytes, count, rate, share, cpu_us };

/// One condition, as `ack_p99<50ms` or `meters:lost==0` (of one cohort).
struct Objective {
  enum class Op : std::uint8_t { less, at_most, more, at_least, equal, unequal };
  std::string cohort; ///< Empty: all together.
  std::string metric;
  Op op = Op::less;
  double limit = 0;
  MetricUnit unit = MetricUnit::count;
  [[nodiscard]] std::string text() const; ///< As it would be written.
};

/// Metric, operator and value, several of them by commas. Times need a unit (us, ms, s), bytes may
/// have one (kB, MB, GB), shares may be in %, counts and rates may have k, M or G.
/// Error: usage, with the nearest name of an unknown metric.
Result<std::vector<Objective>> parse_objectives(std::string_view text);
/// The same for many texts, at most kObjectivesMax in all. Error: usage.
Result<std::vector<Objective>> parse_objectives(const std::vector<std::string>& texts);
inline constexpr std::size_t kObjectivesMax = 100;

/// Of which cohorts may be named. Error: usage, with the nearest one.
Result<void> check_cohorts(const std::vector<Objective>& objectives,
                           const std::vector<std::string>& cohorts);

/// Names and meanings of all metrics, for --help.
[[nodiscard]] std::string metrics_text();

/// What a run is measured by. All is borrowed.
struct Measured {
  explicit Measured(const FleetResult& result) : fleet(result) {}
  const FleetResult& fleet;
  const Histogram* command_latency = nullptr; ///< Null: no commands were posted.
  std::uint64_t commands_failed = 0;
  std::optional<double> server_cpu_us_per_message;
  std::optional<double> server_rss_bytes;
};

struct ObjectiveResult {
  std::string text;            ///< "ack_p99 < 50 ms".
  std::string metric;          ///< With its cohort.
  std::optional<double> value; ///< In the unit; empty if nothing of it was measured.
  std::string value_text;      ///< "48.2 ms", "nothing measured".
  bool ok = false;             ///< Never without a value.
};

[[nodiscard]] ObjectiveResult judge(const Objective& objective, const Measured& measured);
[[nodiscard]] std::vector<ObjectiveResult> judge(const std::vector<Objective>& objectives,
                                                 const Measured& measured);

/// "missed: ack_p99 < 50 ms (48.2 ms)" a line each; empty if all were met.
[[nodiscard]] std::string missed_text(const std::vector<ObjectiveResult>& results);

} // namespace spate::loadgen
