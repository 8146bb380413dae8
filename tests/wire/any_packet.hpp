// Spate tests - decodes whatever a frame holds, encodes it again and compares.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "engine/wire/codec.hpp"

namespace spate::wire {

/// What became of a frame: the error it was refused with, or its packet encoded again.
struct Recoded {
  std::optional<Error> error;
  std::string bytes;
  bool same = true; ///< The encoded packet decodes to the same values.
};

template <class Decode, class Append>
Recoded recode_with(const Frame& frame, Decode decode, Append append) {
  Recoded out;
  auto packet = decode(frame);
  if (!packet) {
    out.error = std::move(packet.error());
    return out;
  }
  append(out.bytes, *packet);
  const FrameResult again = next_frame(out.bytes, out.bytes.size());
  if (again.status != FrameStatus::complete || again.bytes != out.bytes.size()) {
    out.same = false;
    return out;
  }
  const auto packet_again = decode(again.frame);
  out.same = packet_again.has_value() && *packet_again == *packet;
  return out;
}

inline Recoded recode(const Frame& frame, Version v) {
  const auto with = [&](auto decode, auto append) {
    return recode_with(
        frame, [&](const Frame& f) { return decode(f, v); },
        [&](std::string& out, const auto& packet) { append(out, packet, v); });
  };
  switch (frame.type) {
  case PacketType::connect:
    return recode_with(frame, decode_connect, append_connect);
  case PacketType::connack:
    return recode_with(
        frame, [&](const Frame& f) { return decode_connack(f, v); }, append_connack);
  case PacketType::publish:
    return with(decode_publish, append_publish);
  case PacketType::puback:
  case PacketType::pubrec:
  case PacketType::pubrel:
  case PacketType::pubcomp:
    return with(decode_ack, append_ack);
  case PacketType::subscribe:
    return with(decode_subscribe, append_subscribe);
  case PacketType::suback:
  case PacketType::unsuback:
    return with(decode_subscribe_ack, append_subscribe_ack);
  case PacketType::unsubscribe:
    return with(decode_unsubscribe, append_unsubscribe);
  case PacketType::disconnect:
    return with(decode_disconnect, append_disconnect);
  case PacketType::auth: {
    // There is no encoder: nobody here starts an enhanced authentication.
    Recoded out;
    if (auto packet = decode_disconnect(frame, v); !packet) {
      out.error = std::move(packet.error());
    }
    return out;
  }
  case PacketType::pingreq:
  case PacketType::pingresp:
    break;
  }
  Recoded out;
  if (auto done = decode_ping(frame, v); !done) {
    out.error = std::move(done.error());
    return out;
  }
  (frame.type == PacketType::pingreq ? append_pingreq : append_pingresp)(out.bytes);
  return out;
}

/// A PUBLISH as a subscriber gets it: the message's properties encoded once, put together with
/// those of its way.
inline std::string delivered(const Publish& publish, Version version) {
  std::string properties;
  append_message_properties(properties, publish);
  Delivery delivery;
  delivery.topic = publish.topic;
  delivery.payload = publish.payload;
  delivery.properties = properties;
  delivery.packet_id = publish.packet_id;
  delivery.qos = publish.qos;
  delivery.retain = publish.retain;
  delivery.dup = publish.dup;
  delivery.topic_alias = publish.topic_alias;
  delivery.message_expiry_s = publish.message_expiry_s;
  delivery.subscription_ids = &publish.subscription_ids;
  std::string out;
  append_delivery(out, delivery, version);
  return out;
}

/// Whether the message in a frame, a PUBLISH or the will of a CONNECT, reaches a subscriber as it
/// came.
inline bool delivered_same(const Frame& frame, Version version) {
  Publish message;
  Result<Connect> connect;
  if (frame.type == PacketType::connect) {
    connect = decode_connect(frame);
    if (!connect || !connect->will) {
      return true;
    }
    const Will& will = *connect->will;
    message.topic = will.topic;
    message.payload = will.payload;
    message.payload_format = will.payload_format;
    message.content_type = will.content_type;
    message.response_topic = will.response_topic;
    message.correlation_data = will.correlation_data;
    message.user_properties = will.user_properties;
    std::string properties;
    append_message_properties(properties, will);
    std::string same;
    append_message_properties(same, message);
    if (properties != same) {
      return false;
    }
    version = connect->version;
  } else if (frame.type == PacketType::publish) {
    const auto publish = decode_publish(frame, version);
    if (!publish) {
      return true;
    }
    message = *publish;
  } else {
    return true;
  }
  const std::string bytes = delivered(message, version);
  const FrameResult again = next_frame(bytes, bytes.size());
  const auto heard = decode_publish(again.frame, version);
  return again.bytes == bytes.size() && heard && *heard == message;
}

} // namespace spate::wire
