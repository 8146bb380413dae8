// Spate - a live command and who waits for it; of the command router's own files.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/command_router.hpp"

namespace spate::actors {

inline constexpr std::int64_t kNsPerMs = 1'000'000;

/// Someone who is told once.
struct CommandRouter::Wait {
  CommandDone done;
  std::int64_t deadline_ns = 0; ///< Steady clock; 0: does not wait for the final state.
  std::uint64_t number = 0;     ///< In waits_.
  std::string key;              ///< Idempotency key that is running until then.
  bool replayed = false;
  bool cancels = false; ///< Wants CANCELED, nothing else.
};

struct CommandRouter::Live {
  enum class Phase : std::uint8_t {
    creating, ///< Submitted to the log; nobody knows of it.
    open,
    ending, ///< `ending` is submitted to the log; nobody knows of that.
  };

  model::CommandRecord record; ///< What may be told.
  Phase phase = Phase::open;
  model::CommandProgress ending;
  std::int64_t accepted_ns = 0;        ///< Steady clock; 0: by another process.
  std::optional<CommandTarget> handed; ///< The session that has it and did not acknowledge it.
  std::vector<Wait> waits;
  std::vector<CommandAnswer> answers; ///< To be settled once the end is logged. Without results.

  [[nodiscard]] DeviceQueue::Place place() const {
    return {record.command.priority, record.command.id};
  }
  [[nodiscard]] std::size_t bytes() const {
    return sizeof(Live) + record.command.args.size() + record.command.device.size();
  }
  /// May be (or have been) with the device.
  [[nodiscard]] bool is_out() const {
    return handed || record.progress.state != model::CommandState::queued;
  }
};

template <class Ends>
void CommandRouter::end_waits_of(Live& live, CommandResult result, Ends&& ends) {
  for (std::size_t i = 0; i < live.waits.size();) {
    if (!ends(live.waits[i])) {
      ++i;
      continue;
    }
    Wait over = std::move(live.waits[i]); // What waits_ still has of it finds nothing.
    live.waits.erase(live.waits.begin() + static_cast<std::ptrdiff_t>(i));
    tell(over, {result, live.record, false, {}});
  }
}

} // namespace spate::actors
