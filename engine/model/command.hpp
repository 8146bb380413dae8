// Spate - a command to a device: what was asked, and how far it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/uuid.hpp"

namespace spate::model {

/// In the order in which a command may pass through them; the last six are final. Stored on disk
/// by number: never renumbered.
enum class CommandState : std::uint8_t {
  queued = 0,    ///< Durable, not sent.
  sent = 1,      ///< The PUBLISH went to the device's socket; it may have run from here on.
  delivered = 2, ///< The device's PUBACK came.
  succeeded = 3, ///< The device answered `ok`; or, with CompleteOn::delivery, its PUBACK came.
  failed = 4,    ///< The device said so.
  rejected = 5,  ///< The device said so.
  timed_out = 6, ///< Sent, and no answer by `expires_ms`: it may have run.
  expired = 7,   ///< Never sent by `expires_ms`: it never ran, and never will.
  canceled = 8,  ///< Taken back before it was sent.
};
inline constexpr std::size_t kCommandStates = 9;

[[nodiscard]] constexpr bool is_final(CommandState state) noexcept {
  return state >= CommandState::succeeded;
}
/// "QUEUED", as the API writes it.
[[nodiscard]] std::string_view name_of(CommandState state) noexcept;
[[nodiscard]] std::optional<CommandState> command_state(std::string_view name) noexcept;

enum class CommandPriority : std::uint8_t { urgent = 0, normal = 1 }; ///< In the order of sending.
enum class IfOffline : std::uint8_t { fail = 0, queue = 1 };
enum class CompleteOn : std::uint8_t { response = 0, delivery = 1 };
[[nodiscard]] std::string_view name_of(CommandPriority priority) noexcept; ///< "normal", "urgent".
[[nodiscard]] std::string_view name_of(IfOffline if_offline) noexcept;
[[nodiscard]] std::string_view name_of(CompleteOn complete_on) noexcept;

inline constexpr std::size_t kCommandArgsBytesMax = 64u << 10;
inline constexpr std::size_t kCommandResultBytesMax = 64u << 10;
inline constexpr std::size_t kCommandReasonBytesMax = 512;
inline constexpr std::int64_t kCommandTtlMsMax = 2'592'000'000; ///< 30 days.

/// [A-Za-z0-9._-]{1,64}: a topic level.
[[nodiscard]] bool is_command_name(std::string_view name) noexcept;

/// What was asked. Does not change.
struct Command {
  Uuid id;
  std::string device;
  std::string name;
  std::string args; ///< One JSON value as text; empty: none was given.
  CommandPriority priority = CommandPriority::normal;
  IfOffline if_offline = IfOffline::fail;
  CompleteOn complete_on = CompleteOn::response;
  std::int64_t created_ms = 0; ///< Wall clock.
  std::int64_t expires_ms = 0; ///< Never sent from then on, and no answer is taken.

  bool operator==(const Command&) const = default;
};

/// How far it is. Times are wall clock milliseconds, 0 = not yet.
struct CommandProgress {
  CommandState state = CommandState::queued;
  std::int64_t sent_ms = 0;
  std::int64_t delivered_ms = 0;
  std::int64_t completed_ms = 0;
  std::int64_t total_us = -1; ///< From accepting to the end on one clock; -1 = not known.
  std::string result;         ///< One JSON value as text; empty: none.
  std::string reason;         ///< Why FAILED, REJECTED, ..., or that an answer came too late.

  bool operator==(const CommandProgress&) const = default;
};

struct CommandRecord {
  Command command;
  CommandProgress progress;

  bool operator==(const CommandRecord&) const = default;
};

/// The number by which dialects with integer ids know a command: 31 bits of its random part, > 0.
/// Unique enough among the open commands of one device.
[[nodiscard]] std::uint32_t alias_of(const Uuid& id) noexcept;

} // namespace spate::model
