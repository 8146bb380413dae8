// Spate - a scenario in parts, one for each agent.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "loadgen/scenario/scenario.hpp"

namespace spate::loadgen {

/// The scenario of one agent. Together they are the whole one: each device, each message of a count
/// and each half-open connection is in one of them, and rates follow the devices. Gateways stay
/// whole; a recording goes to one agent, which must have its file.
/// Errors: usage (more agents than devices; commands, which one process posts).
Result<std::vector<Scenario>> shares_of(const Scenario& scenario, std::uint32_t agents);

/// "sensors 0 to 16,999; gateways 0 to 9": which devices a share has, by their numbers.
[[nodiscard]] std::string devices_text(const Scenario& share);

} // namespace spate::loadgen
