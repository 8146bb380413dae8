// Spate - what stands behind the keys of the store of sessions. Each value begins with its version;
// whatever the bytes are, decoding says nullopt rather than guess.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/application_message.hpp"
#include "storage/session_store.hpp"
#include "storage/value_codec.hpp"

namespace spate::storage {

/// Of the whole database: another one is refused.
inline constexpr std::uint32_t kSessionStoreFormat = 1;
inline constexpr std::uint8_t kSessionValueVersion = 1;

/// The part of a session that changes.
struct StoredSession {
  bool connected = false;
  std::uint32_t expiry_s = 0;
  std::int64_t since_ms = 0;                 ///< When it was connected, or disconnected.
  std::optional<std::uint32_t> will_delay_s; ///< If it has a will.
  std::uint64_t sent_through = 0;            ///< As OpenedSession.
  std::uint64_t last_sequence = 0;           ///< The highest that was ever given.
  std::uint64_t queued = 0;                  ///< Messages in its queue,
  std::uint64_t queued_bytes = 0;            ///< and their bytes.

  bool operator==(const StoredSession&) const = default;
};
[[nodiscard]] std::string encode_session(const StoredSession& stored);
[[nodiscard]] std::optional<StoredSession> decode_session(std::string_view value);

/// Of a client id, and of holders of a body.
[[nodiscard]] std::string encode_number(std::uint64_t number);
[[nodiscard]] std::optional<std::uint64_t> decode_number(std::string_view value);

/// The filter stands in the key.
[[nodiscard]] std::string encode_subscription(const SessionSubscription& subscription);
[[nodiscard]] std::optional<SessionSubscription> decode_subscription(std::string_view filter,
                                                                     std::string_view value);

[[nodiscard]] std::string encode_message(const model::ApplicationMessage& message);
[[nodiscard]] std::optional<model::ApplicationMessage> decode_message(std::string_view value);

/// An entry of a queue.
struct StoredQueued {
  bool received = false; ///< PUBREC came: only this is left.
  std::uint8_t qos = 1;
  bool retain = false;
  std::vector<std::uint32_t> subscription_ids;
  std::uint64_t bytes = 0;     ///< Of the message, as queues count them.
  std::int64_t expires_ms = 0; ///< As ApplicationMessage.
  std::uint64_t body = 0;      ///< Where the message stands; 0: here.
  std::string message;         ///< Encoded, if it stands here.
};
[[nodiscard]] std::string encode_queued(const StoredQueued& stored);
[[nodiscard]] std::optional<StoredQueued> decode_queued(std::string_view value);

/// The message encoded; delay and expiry as in SessionWill.
struct StoredWill {
  std::uint32_t delay_s = 0;
  std::uint32_t message_expiry_s = 0;
  model::ApplicationMessage message;
};
[[nodiscard]] std::string encode_will(const SessionWill& will);
[[nodiscard]] std::optional<StoredWill> decode_will(std::string_view value);

/// A will that is to be told.
struct StoredOutgoing {
  SessionNumber session = 0;
  model::ApplicationMessage message;
};
[[nodiscard]] std::string encode_outgoing(SessionNumber session,
                                          const model::ApplicationMessage& message);
[[nodiscard]] std::optional<StoredOutgoing> decode_outgoing(std::string_view value);

struct SessionTotals {
  std::uint64_t sessions = 0;
  std::uint64_t subscriptions = 0;
  std::uint64_t queued = 0;
  std::uint64_t queued_bytes = 0;
  std::uint64_t retained = 0;
  std::uint64_t retained_bytes = 0;
  std::uint64_t last_number = 0;   ///< The highest that was ever given: to a session,
  std::uint64_t last_body = 0;     ///< to a body,
  std::uint64_t last_outgoing = 0; ///< to a will that is to be told.

  bool operator==(const SessionTotals&) const = default;
};
[[nodiscard]] std::string encode_session_totals(const SessionTotals& totals);
[[nodiscard]] std::optional<SessionTotals> decode_session_totals(std::string_view value);

} // namespace spate::storage
