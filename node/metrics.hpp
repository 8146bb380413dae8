// Spate - what sessions and commands counted, for /metrics.
#pragma once

#include <memory>
#include <vector>

#include "actors/command_service.hpp"
#include "actors/device_loop.hpp"
#include "api/services.hpp"

namespace spate::node {

using DeviceLoops = std::vector<std::unique_ptr<actors::DeviceLoop>>;

// Any thread.
void add_session_metrics(std::vector<api::Metric>& out, const DeviceLoops& loops);
void add_message_metrics(std::vector<api::Metric>& out, const DeviceLoops& loops,
                         const storage::SessionStore& sessions);
void add_command_metrics(std::vector<api::Metric>& out, actors::CommandService& commands,
                         const DeviceLoops& loops);

} // namespace spate::node
