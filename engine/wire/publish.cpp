#include "engine/wire/codec.hpp"
#include "engine/wire/properties.hpp"
#include "engine/wire/reader.hpp"
#include "engine/wire/topic.hpp"
#include "engine/wire/writer.hpp"

namespace spate::wire {

namespace {

constexpr unsigned kRetain = 1;
constexpr unsigned kDup = 8;

void read_properties(PacketReader& in, Publish& out) {
  PropertyReader properties(in, place_of(PacketType::publish));
  for (Property p; properties.next(p);) {
    switch (p.id) {
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
    case PropertyId::topic_alias:
      out.topic_alias = p.two_bytes();
      break;
    case PropertyId::subscription_id:
      out.subscription_ids.push_back(p.number);
      break;
    case PropertyId::user:
      out.user_properties.push_back(p.pair());
      break;
    default:
      break;
    }
  }
}

void read_flags(PacketReader& in, unsigned flags, Publish& out) {
  out.qos = static_cast<std::uint8_t>(flags >> 1 & 3);
  out.retain = (flags & kRetain) != 0;
  out.dup = (flags & kDup) != 0;
  if (out.qos == 3) {
    in.refuse(Errc::malformed_packet, "QoS", "is 3 [MQTT-3.3.1-4, MQTT5-3.3.1-4]");
  } else if (out.dup && out.qos == 0) {
    in.refuse(Errc::malformed_packet, "DUP flag",
              "is set with QoS 0 [MQTT-3.3.1-2, MQTT5-3.3.1-2]");
  }
}

void read_publish(PacketReader& in, Publish& out, Version version) {
  out.topic = in.binary("topic");
  if (!plainly_good(out.topic) && in.ok() && !(version == Version::v5 && out.topic.empty())) {
    in.check_topic(out.topic, "topic");
  }
  if (out.qos != 0) {
    out.packet_id = in.packet_id();
  }
  if (version == Version::v5) {
    read_properties(in, out);
    if (out.topic.empty() && out.topic_alias == 0) {
      in.refuse(Errc::protocol_error, "topic", "is empty without a Topic Alias [MQTT5-3.3.2.1]");
    }
  }
  out.payload = in.rest();
}

void write_properties(std::string& out, const Publish& packet) {
  PropertyWriter properties(out);
  if (packet.payload_format != 0) {
    properties.byte(PropertyId::payload_format, packet.payload_format);
  }
  if (packet.message_expiry_s) {
    properties.four_bytes(PropertyId::message_expiry, *packet.message_expiry_s);
  }
  if (packet.topic_alias != 0) {
    properties.two_bytes(PropertyId::topic_alias, packet.topic_alias);
  }
  properties.string_if_any(PropertyId::response_topic, packet.response_topic);
  properties.string_if_any(PropertyId::correlation_data, packet.correlation_data);
  for (const std::uint32_t id : packet.subscription_ids) {
    properties.variable(PropertyId::subscription_id, id);
  }
  properties.string_if_any(PropertyId::content_type, packet.content_type);
  properties.user(packet.user_properties);
  properties.close();
}

} // namespace

Result<Publish> decode_publish(const Frame& frame, Version version) {
  return decode<Publish>(frame, PacketType::publish, version, [&](PacketReader& in, Publish& out) {
    read_flags(in, frame.flags, out);
    read_publish(in, out, version);
  });
}

void append_publish(std::string& out, const Publish& packet, Version version) {
  assert(packet.qos <= 2 && (packet.qos == 0 || packet.packet_id != 0));
  PacketWriter writer(out, PacketType::publish,
                      (packet.dup ? kDup : 0) | packet.qos * 2u | (packet.retain ? kRetain : 0));
  put_string(out, packet.topic);
  if (packet.qos != 0) {
    put_be(out, packet.packet_id);
  }
  if (version == Version::v5) {
    write_properties(out, packet);
  }
  writer.close(packet.payload.size());
  out.append(packet.payload);
}

} // namespace spate::wire
