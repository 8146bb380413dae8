// Spate - a command as the API shows it, read for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/result.hpp"

namespace spate::cli {

struct CommandView {
  std::string document; ///< As the API wrote it.
  std::string id;
  std::string device;
  std::string name;
  std::string state;
  bool final = false;
  std::string args;   ///< JSON text; empty: none.
  std::string result; ///< JSON text; empty: none.
  std::string reason;
  std::int64_t created_ms = 0;
  std::optional<std::int64_t> sent_ms;
  std::optional<std::int64_t> delivered_ms;
  std::optional<std::int64_t> completed_ms;
  std::optional<std::int64_t> total_us;
};

/// Error: malformed_payload.
Result<CommandView> parse_command(std::string_view document);

struct CommandPageView {
  std::vector<CommandView> commands; ///< Newest first.
  std::string next_cursor;           ///< Empty: the last page.
};
Result<CommandPageView> parse_command_page(std::string_view document);

/// The states that it went through, with their times, in their order.
[[nodiscard]] std::vector<std::pair<std::string, std::int64_t>> steps_of(const CommandView& command);

/// What came of it: the result, else the reason; both if there are both. On one line.
[[nodiscard]] std::string outcome_of(const CommandView& command, std::size_t characters_max);

/// A table of them, in the order given.
[[nodiscard]] std::string command_table(const std::vector<CommandView>& commands);

} // namespace spate::cli
