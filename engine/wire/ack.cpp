#include "engine/wire/codec.hpp"
#include "engine/wire/properties.hpp"
#include "engine/wire/reader.hpp"
#include "engine/wire/reason.hpp"
#include "engine/wire/writer.hpp"

namespace spate::wire {

namespace {

[[nodiscard]] bool is_ack(PacketType type) noexcept {
  return type >= PacketType::puback && type <= PacketType::pubcomp;
}

void read_properties(PacketReader& in, Ack& out) {
  PropertyReader properties(in, place_of(out.type));
  for (Property p; properties.next(p);) {
    if (p.id == PropertyId::reason_string) {
      out.reason_string = p.text;
    } else {
      out.user_properties.push_back(p.pair());
    }
  }
}

/// The reason is left out where it is Success, the properties where there are none (MQTT5-3.4.2.1).
void read_ack(PacketReader& in, Ack& out, Version version) {
  out.packet_id = in.packet_id();
  if (version == Version::v311 || in.empty()) {
    return;
  }
  const std::uint8_t code = in.byte("reason code");
  if (!reason_allowed(out.type, code)) {
    in.refuse(
        Errc::protocol_error, "reason code",
        "is none of this packet [MQTT5-3.4.2-1, MQTT5-3.5.2-1, MQTT5-3.6.2-1, MQTT5-3.7.2-1]");
  }
  out.reason = static_cast<Reason>(code);
  if (!in.empty()) {
    read_properties(in, out);
  }
}

} // namespace

Result<Ack> decode_ack(const Frame& frame, Version version) {
  const PacketType expected = is_ack(frame.type) ? frame.type : PacketType::puback;
  return decode<Ack>(frame, expected, version, [&](PacketReader& in, Ack& out) {
    out.type = frame.type;
    read_ack(in, out, version);
  });
}

Result<void> decode_ping(const Frame& frame, Version version) {
  PacketReader in(frame, frame.type == PacketType::pingresp ? frame.type : PacketType::pingreq);
  in.check_length_form(frame, version);
  in.check_end();
  if (!in.ok()) {
    return in.failure();
  }
  return {};
}

void append_ack(std::string& out, const Ack& packet, Version version) {
  assert(is_ack(packet.type) && packet.packet_id != 0);
  PacketWriter writer(out, packet.type, packet.type == PacketType::pubrel ? 2 : 0);
  put_be(out, packet.packet_id);
  const bool has_properties = !packet.reason_string.empty() || !packet.user_properties.empty();
  if (version == Version::v5 && (packet.reason != Reason::success || has_properties)) {
    put_byte(out, static_cast<unsigned>(packet.reason));
    if (has_properties) {
      PropertyWriter properties(out);
      properties.string_if_any(PropertyId::reason_string, packet.reason_string);
      properties.user(packet.user_properties);
      properties.close();
    }
  }
  writer.close();
}

void append_puback(std::string& out, std::uint16_t packet_id) {
  const char bytes[4] = {0x40, 2, static_cast<char>(packet_id >> 8), static_cast<char>(packet_id)};
  out.append(bytes, sizeof bytes);
}

void append_pingreq(std::string& out) {
  out.append("\xc0\0", 2);
}

void append_pingresp(std::string& out) {
  out.append("\xd0\0", 2);
}

} // namespace spate::wire
