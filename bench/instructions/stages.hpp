// Spate bench - stages that take more than a call: a session with its writer, and a commit.
//
// Each runs `count` messages and gives a checksum of what came out. All of it is deterministic: one
// thread, no I/O, no clocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/wire/packets.hpp"

namespace spate::bench {

inline constexpr std::int64_t kReceivedMs = 1'700'000'000'000;
inline constexpr std::size_t kMessagesPerBlock = 256; ///< A hand-over of a busy loop.

[[noreturn]] void give_up(const std::string& why);

/// Bytes of a socket to rows in a block and on to the store, and from its receipt to PUBACKs: all
/// that a device loop does but for the socket. Each device has a session of its own, as devices do;
/// the store answers at once and does nothing.
std::uint64_t run_session(const std::vector<std::string_view>& packets,
                          const std::vector<wire::Publish>& publishes, std::size_t count);

/// What the committer does with the blocks but for RocksDB's own work: devices, duplicates, the
/// batch with its log entry, tails, and blocks of sealed rows.
std::uint64_t run_commit(const std::vector<wire::Publish>& publishes, std::size_t count);

} // namespace spate::bench
