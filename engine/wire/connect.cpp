#include "engine/wire/codec.hpp"
#include "engine/wire/properties.hpp"
#include "engine/wire/reader.hpp"
#include "engine/wire/writer.hpp"

namespace spate::wire {

namespace {

// Connect flags (MQTT-3.1.2.3).
constexpr unsigned kReserved = 1;
constexpr unsigned kCleanStart = 2;
constexpr unsigned kWill = 4;
constexpr unsigned kWillQosShift = 3;
constexpr unsigned kWillRetain = 32;
constexpr unsigned kPassword = 64;
constexpr unsigned kUserName = 128;

constexpr std::uint16_t kReceiveMaximumDefault = 65535;

void read_protocol(PacketReader& in, Connect& out) {
  const std::string_view name = in.binary("protocol name");
  if (in.ok() && name != "MQTT") {
    in.refuse(Errc::unsupported_protocol, "protocol name",
              "is not MQTT [MQTT-3.1.2-1, MQTT5-3.1.2-1]");
  }
  const std::uint8_t level = in.byte("protocol level");
  if (in.ok() && level != 4 && level != 5) {
    in.refuse(Errc::unsupported_protocol, "protocol level",
              "is neither 4 nor 5 [MQTT-3.1.2-2, MQTT5-3.1.2-2]");
  }
  out.version = level == 5 ? Version::v5 : Version::v311;
}

unsigned read_flags(PacketReader& in, Connect& out) {
  const unsigned flags = in.byte("connect flags");
  const unsigned will_qos = flags >> kWillQosShift & 3;
  out.clean_start = (flags & kCleanStart) != 0;
  if ((flags & kReserved) != 0) {
    in.refuse(Errc::malformed_packet, "connect flags",
              "have the reserved bit [MQTT-3.1.2-3, MQTT5-3.1.2-3]");
  } else if ((flags & kWill) == 0 && will_qos != 0) {
    in.refuse(Errc::malformed_packet, "Will QoS",
              "is set without a will [MQTT-3.1.2-13, MQTT5-3.1.2-11]");
  } else if ((flags & kWill) == 0 && (flags & kWillRetain) != 0) {
    in.refuse(Errc::malformed_packet, "Will Retain",
              "is set without a will [MQTT-3.1.2-15, MQTT5-3.1.2-13]");
  } else if (will_qos == 3) {
    in.refuse(Errc::malformed_packet, "Will QoS", "is 3 [MQTT-3.1.2-14, MQTT5-3.1.2-12]");
  } else if (out.version == Version::v311 && (flags & (kUserName | kPassword)) == kPassword) {
    in.refuse(Errc::malformed_packet, "password", "comes without a user name [MQTT-3.1.2-22]");
  }
  return flags;
}

void read_properties(PacketReader& in, Connect& out) {
  PropertyReader properties(in, place_of(PacketType::connect));
  bool has_data = false;
  for (Property p; properties.next(p);) {
    switch (p.id) {
    case PropertyId::session_expiry:
      out.session_expiry_s = p.number;
      break;
    case PropertyId::receive_maximum:
      out.receive_maximum = p.two_bytes();
      break;
    case PropertyId::packet_bytes_max:
      out.packet_bytes_max = p.number;
      break;
    case PropertyId::topic_alias_maximum:
      out.topic_alias_maximum = p.two_bytes();
      break;
    case PropertyId::request_response_information:
      out.request_response_information = p.flag();
      break;
    case PropertyId::request_problem_information:
      out.request_problem_information = p.flag();
      break;
    case PropertyId::authentication_method:
      out.authentication_method = p.text;
      break;
    case PropertyId::authentication_data:
      out.authentication_data = p.text;
      has_data = true;
      break;
    case PropertyId::user:
      out.user_properties.push_back(p.pair());
      break;
    default:
      break;
    }
  }
  if (has_data && !out.authentication_method) {
    in.refuse(Errc::protocol_error, "Authentication Data",
              "comes without a method [MQTT5-3.1.2.11.10]");
  }
}

void read_will_properties(PacketReader& in, Will& out) {
  PropertyReader properties(in, PropertyPlace::will);
  for (Property p; properties.next(p);) {
    switch (p.id) {
    case PropertyId::will_delay:
      out.delay_s = p.number;
      break;
    case PropertyId::payload_format:
      out.payload_format = p.byte();
      break;
    case PropertyId::message_expiry:
      out.message_expiry_s = p.number;
      break;
    case PropertyId::content_type:
      out.content_type = p.text;
      break;
    case PropertyId::response_topic:
      out.response_topic = p.text;
      break;
    case PropertyId::correlation_data:
      out.correlation_data = p.text;
      break;
    case PropertyId::user:
      out.user_properties.push_back(p.pair());
      break;
    default:
      break;
    }
  }
}

void read_will(PacketReader& in, unsigned flags, Version version, Will& out) {
  out.qos = static_cast<std::uint8_t>(flags >> kWillQosShift & 3);
  out.retain = (flags & kWillRetain) != 0;
  if (version == Version::v5) {
    read_will_properties(in, out);
  }
  out.topic = in.binary("will topic");
  if (in.ok()) {
    in.check_topic(out.topic, "will topic");
  }
  out.payload = in.binary("will payload");
}

void read_connect(PacketReader& in, Connect& out) {
  const unsigned flags = read_flags(in, out);
  out.keep_alive_s = in.two_bytes("keep alive");
  if (out.version == Version::v5) {
    read_properties(in, out);
  }
  out.client_id = in.text("client identifier");
  if (out.version == Version::v311 && out.client_id.empty() && !out.clean_start) {
    in.refuse(Errc::client_id_invalid, "client identifier",
              "is empty without Clean Session [MQTT-3.1.3-8]");
  }
  if ((flags & kWill) != 0) {
    read_will(in, flags, out.version, out.will.emplace());
  }
  if ((flags & kUserName) != 0) {
    out.user_name = in.text("user name");
  }
  if ((flags & kPassword) != 0) {
    out.password = in.binary("password");
  }
}

unsigned flags_of(const Connect& packet) {
  unsigned flags = packet.clean_start ? kCleanStart : 0;
  if (packet.will) {
    flags |= kWill | static_cast<unsigned>(packet.will->qos) << kWillQosShift |
             (packet.will->retain ? kWillRetain : 0);
  }
  return flags | (packet.user_name ? kUserName : 0) | (packet.password ? kPassword : 0);
}

/// Only what differs from the standard's default is said.
void write_properties(std::string& out, const Connect& packet) {
  using P = PropertyId;
  PropertyWriter properties(out);
  if (packet.session_expiry_s != 0) {
    properties.four_bytes(P::session_expiry, packet.session_expiry_s);
  }
  if (packet.receive_maximum != kReceiveMaximumDefault) {
    properties.two_bytes(P::receive_maximum, packet.receive_maximum);
  }
  if (packet.packet_bytes_max != 0) {
    properties.four_bytes(P::packet_bytes_max, packet.packet_bytes_max);
  }
  if (packet.topic_alias_maximum != 0) {
    properties.two_bytes(P::topic_alias_maximum, packet.topic_alias_maximum);
  }
  if (packet.request_response_information) {
    properties.byte(P::request_response_information, 1);
  }
  if (!packet.request_problem_information) {
    properties.byte(P::request_problem_information, 0);
  }
  if (packet.authentication_method) {
    properties.string(P::authentication_method, *packet.authentication_method);
    properties.string_if_any(P::authentication_data, packet.authentication_data);
  }
  properties.user(packet.user_properties);
  properties.close();
}

void write_will(std::string& out, const Will& will, Version version) {
  if (version == Version::v5) {
    PropertyWriter properties(out);
    if (will.delay_s != 0) {
      properties.four_bytes(PropertyId::will_delay, will.delay_s);
    }
    if (will.payload_format != 0) {
      properties.byte(PropertyId::payload_format, will.payload_format);
    }
    if (will.message_expiry_s) {
      properties.four_bytes(PropertyId::message_expiry, *will.message_expiry_s);
    }
    properties.string_if_any(PropertyId::content_type, will.content_type);
    properties.string_if_any(PropertyId::response_topic, will.response_topic);
    properties.string_if_any(PropertyId::correlation_data, will.correlation_data);
    properties.user(will.user_properties);
    properties.close();
  }
  put_string(out, will.topic);
  put_string(out, will.payload);
}

} // namespace

Result<Connect> decode_connect(const Frame& frame) {
  // Which length forms are allowed is known only after the level.
  return decode<Connect>(frame, PacketType::connect, Version::v311,
                         [&](PacketReader& in, Connect& out) {
                           read_protocol(in, out);
                           in.check_length_form(frame, out.version);
                           if (in.ok()) {
                             read_connect(in, out);
                           }
                         });
}

Version connack_version(const Frame& connect) noexcept {
  constexpr std::string_view kName("\0\4MQTT", 6);
  const std::string_view body = connect.body;
  const bool named = body.size() > kName.size() && body.starts_with(kName);
  return named && static_cast<signed char>(body[kName.size()]) >= 5 ? Version::v5 : Version::v311;
}

void append_connect(std::string& out, const Connect& packet) {
  const bool v5 = packet.version == Version::v5;
  assert(v5 || packet.user_name || !packet.password);
  PacketWriter writer(out, PacketType::connect);
  put_string(out, "MQTT");
  put_byte(out, static_cast<unsigned>(packet.version));
  put_byte(out, flags_of(packet));
  put_be(out, packet.keep_alive_s);
  if (v5) {
    write_properties(out, packet);
  }
  put_string(out, packet.client_id);
  if (packet.will) {
    write_will(out, *packet.will, packet.version);
  }
  if (packet.user_name) {
    put_string(out, *packet.user_name);
  }
  if (packet.password) {
    put_string(out, *packet.password);
  }
  writer.close();
}

} // namespace spate::wire
