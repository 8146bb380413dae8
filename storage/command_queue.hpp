// Spate - entries on their way to the thread of the command log.
#pragma once

#include "storage/command_log.hpp"
#include "storage/waiting_queue.hpp"

namespace spate::storage {

/// What it weighs while it waits.
[[nodiscard]] std::size_t weight_of(const CommandEntry& entry) noexcept;
/// False for an update without sync.
[[nodiscard]] bool is_awaited(const CommandEntry& entry) noexcept;
[[nodiscard]] inline bool frees(const CommandEntry&) noexcept {
  return false;
}

using CommandQueue = WaitingQueue<CommandEntry>;
using WaitingEntry = Waiting<CommandEntry>;
using WaitingEntries = CommandQueue::Entries;

} // namespace spate::storage
