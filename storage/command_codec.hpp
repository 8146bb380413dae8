// Spate - what stands behind the keys of the command log. Each value begins with its version;
// whatever the bytes are, decoding says nullopt rather than guess.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/uuid.hpp"
#include "engine/model/command.hpp"
#include "storage/value_codec.hpp"

namespace spate::storage {

/// Of the whole database: another one is refused.
inline constexpr std::uint32_t kCommandLogFormat = 1;
inline constexpr std::uint8_t kCommandValueVersion = 1;

/// Device and id stand in the key.
struct StoredCommand {
  model::Command command;
  std::string idempotency_key;
};
[[nodiscard]] std::string encode_command(const model::Command& command,
                                         std::string_view idempotency_key);
[[nodiscard]] std::optional<StoredCommand> decode_command(std::string_view value);

/// With what a change of state needs of the command, so that its arguments need not be read.
struct StoredProgress {
  model::CommandProgress progress;
  model::CommandPriority priority = model::CommandPriority::normal;
  std::int64_t expires_ms = 0;
};
[[nodiscard]] std::string encode_progress(const StoredProgress& stored);
[[nodiscard]] std::optional<StoredProgress> decode_progress(std::string_view value);

/// Who used an idempotency key.
struct StoredKey {
  std::uint64_t request_hash = 0;
  std::int64_t created_ms = 0;
  Uuid id;
  std::string device;
};
[[nodiscard]] std::string encode_key(const StoredKey& stored);
[[nodiscard]] std::optional<StoredKey> decode_key(std::string_view value);

[[nodiscard]] std::string encode_count(std::uint64_t count);
[[nodiscard]] std::optional<std::uint64_t> decode_count(std::string_view value);

struct CommandTotals {
  std::uint64_t open = 0;
  std::uint64_t history = 0;
};
[[nodiscard]] std::string encode_totals(const CommandTotals& totals);
[[nodiscard]] std::optional<CommandTotals> decode_totals(std::string_view value);

} // namespace spate::storage
