// Spate - what a session needs that outlives its connection, and what only waits for the store of
// sessions.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "actors/mqtt_session.hpp"
#include "actors/session_hub.hpp"

namespace spate::actors {

/// Messages that wait in memory for the client's window; what comes beyond is left in the queue on
/// disk until these are sent.
inline constexpr std::size_t kAheadMessagesMax = 100;
inline constexpr std::size_t kAheadBytesMax = 128u << 10;
/// Of the queue, with one answer of the store.
inline constexpr std::size_t kPageMessages = 100;
inline constexpr std::size_t kPageBytes = 64u << 10;

/// From CONNECT until CONNACK.
struct MqttSession::Opening {
  bool clean_start = false;
  bool id_assigned = false;
  bool keep_alive_changed = false;
  std::uint32_t asked_expiry_s = 0;
  std::uint32_t expiry_s = 0; ///< What we grant.
};

struct MqttSession::Kept {
  storage::SessionNumber number = 0;
  std::uint32_t expiry_s = 0;
  std::uint64_t sent_through = 0; ///< By earlier connections: again only with DUP.
  bool behind = true;             ///< There may be more in the queue than we have seen.
  bool paging = false;
  bool forget_will = false;
  bool counted = false; ///< In SessionCounters::kept_connections.
  bool left = false;    ///< The store was told that the connection is gone.
};

/// A subscription whose retained messages are to be given, one page after the other.
struct MqttSession::WantedRetained {
  std::string filter;
  std::uint32_t id = 0;
  std::uint8_t qos = 0;
  std::string after = {}; ///< As RetainedLoad has it: so the next two.
  std::uint64_t sequence = 0;
  std::uint64_t sequence_end = 0;
};

/// Answers that wait for the store, each in the order in which it was asked.
struct MqttSession::Asked {
  /// Subscriptions of a kept session that change once the store has written that: so what is queued
  /// for them stands behind what was set aside for retained messages.
  struct Change {
    wire::SubscribeAck answer;
    std::vector<storage::SessionSubscription> added;
    std::vector<std::string> removed;
    std::vector<WantedRetained> wanted;
  };
  /// A message that came meanwhile: newer than any retained one, so it goes behind them.
  struct Held {
    model::SharedMessage message;
    Copy copy;
  };
  std::deque<Change> changes;
  std::deque<WantedRetained> wanted; ///< A page of the first one is on its way.
  std::vector<Held> held;
  std::size_t held_bytes = 0;
};

} // namespace spate::actors
