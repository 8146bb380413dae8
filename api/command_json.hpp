// Spate - a command as the API shows it.
#pragma once

#include <string>
#include <string_view>

#include "engine/json/writer.hpp"
#include "engine/model/command.hpp"

namespace spate::api {

/// The schema Command; `args` and `result` appear as they were sent.
void write_command(json::Writer& out, const model::CommandRecord& record);
[[nodiscard]] std::string command_json(const model::CommandRecord& record);

/// Where it is: /api/v1/devices/{device}/commands/{id}.
[[nodiscard]] std::string command_location(const model::Command& command);

} // namespace spate::api
