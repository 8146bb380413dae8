// Spate - a scenario on agents, for run_scenario(): from the option to their results.
#pragma once

#include <atomic>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "engine/base/result.hpp"
#include "loadgen/agents/coordinator.hpp"
#include "loadgen/plan.hpp"
#include "loadgen/run_proof.hpp"
#include "loadgen/run_view.hpp"

namespace spate::loadgen {

/// Runs the scenario on settings.agents, starting local ones. Sets `stop` when the proof has
/// failed. Errors: usage, connect_failed.
Result<AgentsResult> run_on_agents(const Scenario& scenario, const RunSettings& settings,
                                   RunProof& proof, RunView& view, std::atomic<bool>& stop);

/// A row for each agent, and the part of the document.
[[nodiscard]] std::string agents_rows(const AgentsResult& result);
[[nodiscard]] nlohmann::json agents_json(const AgentsResult& result);

} // namespace spate::loadgen
