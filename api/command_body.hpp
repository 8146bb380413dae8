// Spate - the body of a POST that sends a command.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/problems.hpp"
#include "engine/json/reader.hpp"
#include "engine/model/command.hpp"

namespace spate::api {

/// The arguments, and room for the other members and white space.
inline constexpr std::size_t kCommandBodyBytesMax = 2 * model::kCommandArgsBytesMax;

struct CommandBody {
  std::string name;
  std::string_view args; ///< As it was sent; empty: there were none.
  model::CommandPriority priority = model::CommandPriority::normal;
  model::IfOffline if_offline = model::IfOffline::fail;
  model::CompleteOn complete_on = model::CompleteOn::response;
  std::optional<std::int64_t> ttl_ms;
};

/// Reads `body`, which is followed by json::Reader::kPaddingBytes readable bytes; views in `out`
/// borrow it. nullopt: it is valid; else 400 if it is no JSON object, or one 422 with all that is
/// wrong with its members.
[[nodiscard]] std::optional<Problem> read_command_body(json::Reader& reader, std::string_view body,
                                                       CommandBody& out);

} // namespace spate::api
