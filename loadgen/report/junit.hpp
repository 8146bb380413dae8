// Spate - the verdicts of a run in the XML that CI systems read (JUnit).
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace spate::loadgen {

/// A suite with a case for the run itself, one for the generator, and one for each objective.
/// `document` is that of report_json().
[[nodiscard]] std::string report_junit(const nlohmann::json& document);

} // namespace spate::loadgen
