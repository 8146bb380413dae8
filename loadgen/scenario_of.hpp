// Spate - the options of a command as a scenario of one cohort.
#pragma once

#include "loadgen/options.hpp"
#include "loadgen/run_scenario.hpp"
#include "loadgen/scenario/scenario.hpp"

namespace spate::loadgen {

[[nodiscard]] Scenario scenario_of(const RunOptions& run);
[[nodiscard]] Scenario scenario_of(const ReplayOptions& replay);
[[nodiscard]] Scenario scenario_of(const CommandsOptions& commands);

[[nodiscard]] RunSettings settings_of(const FleetOptions& fleet);
/// Why what is to be noted would prove nothing for the scenario; empty if it would.
[[nodiscard]] std::string proof_fault(const Scenario& scenario, const ProofOutputs& proof);
[[nodiscard]] RunOutputs outputs_of(const Options& options, const FleetOptions& fleet);

} // namespace spate::loadgen
