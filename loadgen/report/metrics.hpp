// Spate - the figures of a run by name, for objectives and comparisons.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loadgen/report/objectives.hpp"

namespace spate::loadgen {

/// The unit of `metric`, or nothing if there is no such metric.
[[nodiscard]] std::optional<MetricUnit> unit_of_metric(std::string_view metric);
/// Whether it may be asked of one cohort.
[[nodiscard]] bool has_cohorts(std::string_view metric);
/// All names; of the times only the usual percentiles.
[[nodiscard]] std::vector<std::string_view> metric_names();

/// "p99" and "p99.9" are 0.99 and 0.999, as is "p999"; nothing for what is no percentile.
[[nodiscard]] std::optional<double> quantile_named(std::string_view name);

/// Nothing if it was not measured. `cohort` empty: of all.
[[nodiscard]] std::optional<double> metric_value(std::string_view metric, std::string_view cohort,
                                                 const Measured& measured);
/// "48.2 ms", "1,234/s", "99.5 %", "512 MB".
[[nodiscard]] std::string metric_text(double value, MetricUnit unit);

} // namespace spate::loadgen
