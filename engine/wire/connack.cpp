#include <iterator>
#include <optional>

#include "engine/wire/codec.hpp"
#include "engine/wire/properties.hpp"
#include "engine/wire/reader.hpp"
#include "engine/wire/reason.hpp"
#include "engine/wire/writer.hpp"

namespace spate::wire {

namespace {

void take(const Property& p, Connack& out) {
  switch (p.id) {
  case PropertyId::session_expiry:
    out.session_expiry_s = p.number;
    break;
  case PropertyId::receive_maximum:
    out.receive_maximum = p.two_bytes();
    break;
  case PropertyId::maximum_qos:
    out.maximum_qos = p.byte();
    break;
  case PropertyId::retain_available:
    out.retain_available = p.flag();
    break;
  case PropertyId::packet_bytes_max:
    out.packet_bytes_max = p.number;
    break;
  case PropertyId::assigned_client_id:
    out.assigned_client_id = p.text;
    break;
  case PropertyId::topic_alias_maximum:
    out.topic_alias_maximum = p.two_bytes();
    break;
  case PropertyId::reason_string:
    out.reason_string = p.text;
    break;
  case PropertyId::wildcard_subscription_available:
    out.wildcard_subscription_available = p.flag();
    break;
  case PropertyId::subscription_ids_available:
    out.subscription_identifiers_available = p.flag();
    break;
  case PropertyId::shared_subscription_available:
    out.shared_subscription_available = p.flag();
    break;
  case PropertyId::server_keep_alive:
    out.server_keep_alive_s = p.two_bytes();
    break;
  case PropertyId::response_information:
    out.response_information = p.text;
    break;
  case PropertyId::server_reference:
    out.server_reference = p.text;
    break;
  case PropertyId::authentication_method:
    out.authentication_method = p.text;
    break;
  case PropertyId::authentication_data:
    out.authentication_data = p.text;
    break;
  case PropertyId::user:
    out.user_properties.push_back(p.pair());
    break;
  default:
    break;
  }
}

/// By return code of 3.1.1 (MQTT-3.2.2.3).
constexpr Reason kReturnCodes[] = {
    Reason::success,
    Reason::unsupported_protocol_version,
    Reason::client_identifier_not_valid,
    Reason::server_unavailable,
    Reason::bad_user_name_or_password,
    Reason::not_authorized,
};

Reason read_reason(PacketReader& in, Version version) {
  const std::uint8_t code = in.byte("reason code");
  if (version == Version::v311 && code < std::size(kReturnCodes)) {
    return kReturnCodes[code];
  }
  if (version == Version::v311 || !reason_allowed(PacketType::connack, code)) {
    in.refuse(Errc::protocol_error, "reason code",
              "is none of a CONNACK [MQTT-3.2.2-6, MQTT5-3.2.2-8]");
  }
  return static_cast<Reason>(code);
}

void put_flag(PropertyWriter& out, PropertyId id, const std::optional<bool>& value) {
  if (value) {
    out.byte(id, *value ? 1 : 0);
  }
}
void put_two(PropertyWriter& out, PropertyId id, const std::optional<std::uint16_t>& value) {
  if (value) {
    out.two_bytes(id, *value);
  }
}
void put_four(PropertyWriter& out, PropertyId id, const std::optional<std::uint32_t>& value) {
  if (value) {
    out.four_bytes(id, *value);
  }
}

void write_properties(std::string& out, const Connack& packet) {
  using P = PropertyId;
  PropertyWriter properties(out);
  put_four(properties, P::session_expiry, packet.session_expiry_s);
  put_two(properties, P::receive_maximum, packet.receive_maximum);
  if (packet.maximum_qos && *packet.maximum_qos < 2) { // 2 is said by saying nothing.
    properties.byte(P::maximum_qos, *packet.maximum_qos);
  }
  put_flag(properties, P::retain_available, packet.retain_available);
  put_four(properties, P::packet_bytes_max, packet.packet_bytes_max);
  properties.string_if_any(P::assigned_client_id, packet.assigned_client_id);
  put_two(properties, P::topic_alias_maximum, packet.topic_alias_maximum);
  properties.string_if_any(P::reason_string, packet.reason_string);
  put_flag(properties, P::wildcard_subscription_available, packet.wildcard_subscription_available);
  put_flag(properties, P::subscription_ids_available, packet.subscription_identifiers_available);
  put_flag(properties, P::shared_subscription_available, packet.shared_subscription_available);
  put_two(properties, P::server_keep_alive, packet.server_keep_alive_s);
  properties.string_if_any(P::response_information, packet.response_information);
  properties.string_if_any(P::server_reference, packet.server_reference);
  properties.string_if_any(P::authentication_method, packet.authentication_method);
  properties.string_if_any(P::authentication_data, packet.authentication_data);
  properties.user(packet.user_properties);
  properties.close();
}

} // namespace

Result<Connack> decode_connack(const Frame& frame, Version version) {
  return decode<Connack>(frame, PacketType::connack, version, [&](PacketReader& in, Connack& out) {
    out.version = version;
    const unsigned flags = in.byte("acknowledge flags");
    if (flags > 1) {
      in.refuse(Errc::malformed_packet, "acknowledge flags",
                "have reserved bits [MQTT-3.2.2.1, MQTT5-3.2.2-1]");
    }
    out.session_present = flags != 0;
    out.reason = read_reason(in, version);
    if (out.session_present && out.reason != Reason::success) {
      in.refuse(Errc::protocol_error, "Session Present",
                "is set on a refusal [MQTT-3.2.2-4, MQTT5-3.2.2-6]");
    }
    if (version == Version::v5) {
      PropertyReader properties(in, place_of(PacketType::connack));
      for (Property p; properties.next(p);) {
        take(p, out);
      }
    }
  });
}

void append_connack(std::string& out, const Connack& packet) {
  const bool v5 = packet.version == Version::v5;
  PacketWriter writer(out, PacketType::connack);
  put_byte(out, packet.session_present && packet.reason == Reason::success ? 1 : 0);
  put_byte(out, v5 ? static_cast<unsigned>(packet.reason) : connack_return_code(packet.reason));
  if (v5) {
    write_properties(out, packet);
  }
  writer.close();
}

} // namespace spate::wire
