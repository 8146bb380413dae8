// Spate - the report of a run as one HTML file that needs no network.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace spate::loadgen {

/// The page of a document of report_json(). All figures are text; the plots need scripts, and
/// without them the tables still tell everything.
[[nodiscard]] std::string report_html(const nlohmann::json& document);

} // namespace spate::loadgen
