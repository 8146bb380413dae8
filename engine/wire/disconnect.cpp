#include "engine/wire/codec.hpp"
#include "engine/wire/properties.hpp"
#include "engine/wire/reader.hpp"
#include "engine/wire/reason.hpp"
#include "engine/wire/writer.hpp"

namespace spate::wire {

namespace {

void read_properties(PacketReader& in, Disconnect& out, PacketType type) {
  PropertyReader properties(in, place_of(type));
  bool has_method = false;
  for (Property p; properties.next(p);) {
    switch (p.id) {
    case PropertyId::session_expiry:
      out.session_expiry_s = p.number;
      break;
    case PropertyId::reason_string:
      out.reason_string = p.text;
      break;
    case PropertyId::server_reference:
      out.server_reference = p.text;
      break;
    case PropertyId::authentication_method:
      has_method = true;
      break;
    case PropertyId::user:
      out.user_properties.push_back(p.pair());
      break;
    default:
      break;
    }
  }
  if (type == PacketType::auth && !has_method) {
    in.refuse(Errc::protocol_error, "Authentication Method", "is missing [MQTT5-3.15.2.2.2]");
  }
}

/// Nothing at all stands for a reason of 0x00, and a reason alone for no properties. In an AUTH the
/// reason always comes with properties, since its method is one.
void read_disconnect(PacketReader& in, Disconnect& out, PacketType type) {
  if (in.empty()) {
    return;
  }
  const std::uint8_t code = in.byte("reason code");
  if (!reason_allowed(type, code)) {
    in.refuse(Errc::protocol_error, "reason code",
              "is none of this packet [MQTT5-3.14.2-1, MQTT5-3.15.2-1]");
  }
  out.reason = static_cast<Reason>(code);
  if (!in.empty() || type == PacketType::auth) {
    read_properties(in, out, type);
  }
}

} // namespace

Result<Disconnect> decode_disconnect(const Frame& frame, Version version) {
  // An AUTH is no packet of 3.1.1 (MQTT-2.2.1), so there only a DISCONNECT is expected.
  const bool auth = frame.type == PacketType::auth && version == Version::v5;
  const PacketType expected = auth ? PacketType::auth : PacketType::disconnect;
  return decode<Disconnect>(frame, expected, version, [&](PacketReader& in, Disconnect& out) {
    if (version == Version::v5) {
      read_disconnect(in, out, expected);
    } else if (!in.empty()) {
      in.refuse(Errc::malformed_packet, "DISCONNECT", "is not empty [MQTT-3.14.1-1]");
    }
  });
}

void append_disconnect(std::string& out, const Disconnect& packet, Version version) {
  PacketWriter writer(out, PacketType::disconnect);
  const bool has_properties = packet.session_expiry_s || !packet.reason_string.empty() ||
                              !packet.server_reference.empty() || !packet.user_properties.empty();
  if (version == Version::v5 && (packet.reason != Reason::success || has_properties)) {
    put_byte(out, static_cast<unsigned>(packet.reason));
    if (has_properties) {
      PropertyWriter properties(out);
      if (packet.session_expiry_s) {
        properties.four_bytes(PropertyId::session_expiry, *packet.session_expiry_s);
      }
      properties.string_if_any(PropertyId::reason_string, packet.reason_string);
      properties.string_if_any(PropertyId::server_reference, packet.server_reference);
      properties.user(packet.user_properties);
      properties.close();
    }
  }
  writer.close();
}

} // namespace spate::wire
