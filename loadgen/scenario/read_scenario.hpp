// Spate - scenarios as TOML: read, checked, written.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/result.hpp"
#include "loadgen/scenario/problems.hpp"
#include "loadgen/scenario/scenario.hpp"

namespace spate::loadgen {

inline constexpr std::size_t kScenarioBytesMax = std::size_t{4} << 20;

/// Reads and checks a scenario. Error: config_invalid; its detail has a line for each problem,
/// "FILE:LINE:COLUMN: what is wrong", at most Problems::kShownMax. Unknown keys are errors: a
/// misspelt load must not be silently another one.
Result<Scenario> parse_scenario(std::string_view toml, const std::string& file_name);

/// What holds between values, of a scenario from anywhere. Error: config_invalid, as above with
/// "cohort[0].topic" for places.
Result<void> check_scenario(const Scenario& scenario);
/// The same, into `problems`.
void check_rules(const Scenario& scenario, Problems& problems);

/// The scenario as TOML that parse_scenario() reads as an equal one, if it is a right one.
[[nodiscard]] std::string write_scenario(const Scenario& scenario);

} // namespace spate::loadgen
