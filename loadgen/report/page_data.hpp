// Spate - what the plots of an HTML report draw, made of the document of a run.
#pragma once

#include <cstdint>

#include <nlohmann/json_fwd.hpp>

namespace spate::loadgen {

/// Points of a plot over time are at most this many: longer runs are drawn by longer steps, whose
/// percentiles are those of their merged histograms.
inline constexpr std::size_t kPlotPointsMax = 1200;

/// Columns of numbers, null where nothing was measured. `document` is that of report_json().
[[nodiscard]] nlohmann::json page_data(const nlohmann::json& document);

} // namespace spate::loadgen
