// Spate - entries on their way to the thread of the store of sessions.
#pragma once

#include <cstddef>
#include <vector>

#include "storage/session_store.hpp"
#include "storage/waiting_queue.hpp"

namespace spate::storage {

/// What one submit() brought.
struct SessionStep {
  std::vector<SessionEntry> entries;
};

/// What it weighs while it waits.
[[nodiscard]] std::size_t weight_of(const SessionEntry& entry) noexcept;
[[nodiscard]] std::size_t weight_of(const SessionStep& step) noexcept;
/// False for a SessionSettling without `received`: it has no receipt.
[[nodiscard]] bool is_answered(const SessionEntry& entry) noexcept;
/// One of its entries is.
[[nodiscard]] bool is_awaited(const SessionStep& step) noexcept;
/// Nothing but the end of connections, of messages and of packet ids.
[[nodiscard]] bool frees(const SessionStep& step) noexcept;
/// It is a load, which waits for no sync of its own.
[[nodiscard]] bool is_load(const SessionEntry& entry) noexcept;

using SessionQueue = WaitingQueue<SessionStep>;

} // namespace spate::storage
