// Spate - how the figures of runs relate, and what of that is noise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "loadgen/report/objectives.hpp"
#include "loadgen/report/read_report.hpp"

namespace spate::loadgen {

inline constexpr std::size_t kSidesMax = 16;
inline constexpr std::size_t kRunsMax = 64; ///< Of a side.

struct Ratio {
  std::string metric;
  MetricUnit unit = MetricUnit::time;
  double a = 0, b = 0;
  double ratio = 1; ///< b / a.
  /// 95 % confidence; nothing if there is too little to draw from.
  std::optional<std::pair<double, double>> interval;

  [[nodiscard]] bool is_noise() const noexcept {
    return interval && interval->first <= 1 && interval->second >= 1;
  }
};

struct Comparison {
  std::string a, b; ///< Names of the sides.
  std::vector<Ratio> ratios;
  std::vector<std::string> cautions; ///< What speaks against trusting them.
  bool comparable = true;            ///< The same was run.
};

/// Compares runs of one side with those of another. Figures of which each second is known are drawn
/// anew in blocks of seconds (moving-block bootstrap), from runs that are drawn anew as well; those
/// of which only totals are known from the runs, if each side has three.
/// `a` and `b` have at least one run each.
[[nodiscard]] Comparison compare(const std::vector<ReadRun>& a, const std::vector<ReadRun>& b,
                                 std::uint64_t seed);

/// A limit on a ratio.
struct Gate {
  std::string metric;
  double ratio = 1;
  bool above = true; ///< Fails above it; otherwise below.
};
/// "1.1:ack_p99". Error: usage, with the nearest name.
Result<Gate> parse_gate(std::string_view text, bool above);
/// All of them.
Result<std::vector<Gate>> parse_gates(const std::vector<std::string>& above,
                                      const std::vector<std::string>& below);
/// What broke a gate: the whole interval of the ratio is beyond the limit (without an interval, the
/// ratio); or the metric was not measured on both sides. Empty if it held.
[[nodiscard]] std::string broken(const Gate& gate, const Comparison& comparison);

/// The names of all metrics that are compared, by commas.
[[nodiscard]] std::string compared_metrics();
[[nodiscard]] std::string comparison_table(const Comparison& comparison);
[[nodiscard]] nlohmann::json comparison_json(const Comparison& comparison);

} // namespace spate::loadgen
