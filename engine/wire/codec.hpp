// Spate - MQTT bytes <-> packets, without I/O: MQTT 3.1.1 (OASIS 2014) and 5.0 (OASIS 2019).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"
#include "engine/wire/packets.hpp"

namespace spate::wire {

/// One control packet, cut out of the stream: fixed header taken off, nothing else looked at.
struct Frame {
  PacketType type = PacketType::connect;
  std::uint8_t flags = 0; ///< Low four bits of the first byte.
  std::string_view body;  ///< Variable header and payload; borrows the input.
  /// The remaining length took as few bytes as it can: MQTT 5 demands it (MQTT5-1.5.5-1), 3.1.1
  /// does not.
  bool length_minimal = true;
};

enum class FrameStatus : std::uint8_t {
  complete,  ///< `frame` is set, `bytes` were used.
  partial,   ///< More input is needed.
  malformed, ///< Type 0, or a remaining length of more than four bytes (MQTT-2.2.3, MQTT5-1.5.5-1).
  too_large, ///< The packet is larger than the limit.
};

struct FrameResult {
  FrameStatus status = FrameStatus::partial;
  /// Of the whole packet when complete or too_large; when partial as soon as known, else 0.
  std::size_t bytes = 0;
  Frame frame;
};

/// Looks at the packet at the start of `input`. `packet_bytes_max` counts the whole packet
/// (MQTT5-3.2.2.3.6).
[[nodiscard]] FrameResult next_frame(std::string_view input, std::size_t packet_bytes_max) noexcept;

/// Limits that hold for every decoded packet, beside those of the standard.
inline constexpr std::size_t kUserPropertiesMax = 32;
inline constexpr std::size_t kSubscriptionIdsPerPublishMax = 128;
inline constexpr std::size_t kTopicLevelsMax = 128;
inline constexpr std::size_t kSubscriptionsPerPacketMax = 100;

// Decoders. Errors: malformed_packet, protocol_error, unsupported_protocol, topic_invalid,
// filter_invalid; the detail names the field and the clause ("topic holds U+0000 [MQTT-1.5.3-2]").

/// After unsupported_protocol the sender can still be answered: the caller sends a CONNACK with
/// 0x84 in v5 form if the level was above 5, else in 3.1.1 form with return code 1
/// (connack_version() tells which). Also client_id_invalid: none in 3.1.1 without Clean Session,
/// which a CONNACK answers (MQTT-3.1.3-8).
Result<Connect> decode_connect(const Frame& frame);
/// In which form a CONNACK reaches the sender of a CONNECT that decode_connect() refused: v5 for
/// the levels 5 to 127, else 3.1.1 (a bridge sets the high bit of its level and reads 3.1.1).
[[nodiscard]] Version connack_version(const Frame& connect) noexcept;
/// The hot path: allocates nothing unless there are subscription identifiers or user properties.
/// The former are decoded whoever sent them; a server refuses those of clients (MQTT5-3.3.4-6).
Result<Publish> decode_publish(const Frame& frame, Version version);
Result<Ack> decode_ack(const Frame& frame, Version version);
Result<Subscribe> decode_subscribe(const Frame& frame, Version version);
Result<Unsubscribe> decode_unsubscribe(const Frame& frame, Version version);
/// DISCONNECT, and AUTH in v5, of which method and data are checked and left out.
Result<Disconnect> decode_disconnect(const Frame& frame, Version version);
/// PINGREQ and PINGRESP: flags and an empty body.
Result<void> decode_ping(const Frame& frame, Version version);
Result<Connack> decode_connack(const Frame& frame, Version version);
Result<SubscribeAck> decode_subscribe_ack(const Frame& frame, Version version);

// Encoders append a whole packet to `out`. What a version does not know is left out.
void append_connect(std::string& out, const Connect& packet);
void append_connack(std::string& out, const Connack& packet);
void append_publish(std::string& out, const Publish& packet, Version version);
/// What a server sends on unchanged and in order of the user properties (MQTT5-3.3.2-4,
/// MQTT5-3.3.2-15 to 20): the encoded properties of Delivery, and of a will.
void append_message_properties(std::string& out, const Publish& packet);
void append_message_properties(std::string& out, const Will& will);
/// As append_publish(), without a look into the properties.
void append_delivery(std::string& out, const Delivery& packet, Version version);
void append_ack(std::string& out, const Ack& packet, Version version);
/// A PUBACK of four bytes: the hot path.
void append_puback(std::string& out, std::uint16_t packet_id);
void append_subscribe(std::string& out, const Subscribe& packet, Version version);
void append_subscribe_ack(std::string& out, const SubscribeAck& packet, Version version);
void append_unsubscribe(std::string& out, const Unsubscribe& packet, Version version);
void append_pingreq(std::string& out);
void append_pingresp(std::string& out);
void append_disconnect(std::string& out, const Disconnect& packet, Version version);

/// CONNACK return code of 3.1.1 for a reason (MQTT-3.2.2.3): 0..5.
[[nodiscard]] std::uint8_t connack_return_code(Reason reason) noexcept;
/// Which reason code tells the peer about this error.
[[nodiscard]] Reason reason_for(Errc code) noexcept;

/// Null if it is a topic name to publish to (no wildcard, no NUL, UTF-8, at most kTopicLevelsMax
/// levels), else what is wrong with it.
[[nodiscard]] const char* topic_name_fault(std::string_view topic) noexcept;
[[nodiscard]] const char* topic_filter_fault(std::string_view filter) noexcept;
/// Whether a filter without fault (not a shared one) takes a topic name (MQTT-4.7): `+` one level,
/// `#` the rest and its parent, neither of them a first level that starts with `$` (MQTT-4.7.2-1).
[[nodiscard]] bool filter_takes(std::string_view filter, std::string_view topic) noexcept;

/// Filters of shared subscriptions start with it (MQTT5-4.8.2); in 3.1.1 it is a topic like
/// another.
inline constexpr std::string_view kSharePrefix = "$share/";
[[nodiscard]] constexpr bool is_shared(std::string_view filter) noexcept {
  return filter.starts_with(kSharePrefix);
}

} // namespace spate::wire
