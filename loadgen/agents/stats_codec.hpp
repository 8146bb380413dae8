// Spate - what a run counted, as JSON between agent and coordinator, and put together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "engine/base/result.hpp"
#include "loadgen/fleet/fleet.hpp"

namespace spate::loadgen {

/// A second of one agent, or of several: what Second keeps, and its latencies.
struct AgentSecond {
  Second counts;
  Histogram latency;
};

// Counts and histograms come back exactly. Readers take what comes from outside: members that are
// missing are 0, of another type an error (malformed_payload).

[[nodiscard]] nlohmann::json json_of(const Histogram& histogram);
[[nodiscard]] nlohmann::json json_of(const Stats& stats);
[[nodiscard]] nlohmann::json json_of(const AgentSecond& second);
/// Without its timeline, which goes second by second.
[[nodiscard]] nlohmann::json json_of(const FleetResult& result);

Result<Stats> read_stats(const nlohmann::json& json);
/// One after `second_max`, which can not have come yet, is an error too.
Result<AgentSecond> read_second(const nlohmann::json& json, std::uint64_t second_max);
Result<FleetResult> read_result(const nlohmann::json& json);

/// Adds one agent's result to that of all: counts are summed, times are the longest ones, cohorts
/// of one name are one.
void merge(FleetResult& to, const FleetResult& from);

} // namespace spate::loadgen
