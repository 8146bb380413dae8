// Spate - from the options of a run to its subscriber, and what it says at the end.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "loadgen/fleet/fleet.hpp"
#include "loadgen/receive/receiver.hpp"

namespace spate::loadgen {

/// `receive` is FILE or FILE:FILTER; without a filter those that take all `topics`. The subscriber
/// connects as the first cohort does, as its first device where user or password name one.
[[nodiscard]] ReceiverPlan plan_receiver(const std::string& receive, std::uint32_t connections,
                                         const FleetPlan& fleet, std::vector<std::string> topics);

[[nodiscard]] std::string received_text(const ReceiverCounts& counts);
[[nodiscard]] nlohmann::json received_json(const ReceiverCounts& counts);

} // namespace spate::loadgen
