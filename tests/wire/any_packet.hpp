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

} // namespace spate::wire
