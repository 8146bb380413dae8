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

/// Those that belong to the message itself, in a Publish or a Will.
template <class Message>
void write_message_properties(PropertyWriter& properties, const Message& message) {
  if (message.payload_format != 0) {
    properties.byte(PropertyId::payload_format, message.payload_format);
  }
  properties.string_if_any(PropertyId::response_topic, message.response_topic);
  properties.string_if_any(PropertyId::correlation_data, message.correlation_data);
  properties.string_if_any(PropertyId::content_type, message.content_type);
  properties.user(message.user_properties);
}

/// Those of one way of it.
template <class Packet>
void write_way_properties(PropertyWriter& properties, const Packet& packet,
                          const std::vector<std::uint32_t>& subscription_ids) {
  if (packet.message_expiry_s) {
    properties.four_bytes(PropertyId::message_expiry, *packet.message_expiry_s);
  }
  if (packet.topic_alias != 0) {
    properties.two_bytes(PropertyId::topic_alias, packet.topic_alias);
  }
  for (const std::uint32_t id : subscription_ids) {
    properties.variable(PropertyId::subscription_id, id);
  }
}

template <class Packet>
unsigned flags_of(const Packet& packet) {
  assert(packet.qos <= 2 && (packet.qos == 0 || packet.packet_id != 0));
  return (packet.dup ? kDup : 0) | packet.qos * 2u | (packet.retain ? kRetain : 0);
}

/// Appends all but the properties' content, which `write(properties)` does.
template <class Packet, class Write>
void append(std::string& out, const Packet& packet, Version version, Write&& write) {
  PacketWriter writer(out, PacketType::publish, flags_of(packet));
  put_string(out, packet.topic);
  if (packet.qos != 0) {
    put_be(out, packet.packet_id);
  }
  if (version == Version::v5) {
    PropertyWriter properties(out);
    write(properties);
    properties.close();
  }
  writer.close(packet.payload.size());
  out.append(packet.payload);
}

} // namespace

Result<Publish> decode_publish(const Frame& frame, Version version) {
  return decode<Publish>(frame, PacketType::publish, version, [&](PacketReader& in, Publish& out) {
    read_flags(in, frame.flags, out);
    read_publish(in, out, version);
  });
}

void append_publish(std::string& out, const Publish& packet, Version version) {
  append(out, packet, version, [&](PropertyWriter& properties) {
    write_way_properties(properties, packet, packet.subscription_ids);
    write_message_properties(properties, packet);
  });
}

void append_message_properties(std::string& out, const Publish& packet) {
  PropertyWriter properties(out);
  write_message_properties(properties, packet);
}

void append_message_properties(std::string& out, const Will& will) {
  PropertyWriter properties(out);
  write_message_properties(properties, will);
}

void append_delivery(std::string& out, const Delivery& packet, Version version) {
  append(out, packet, version, [&](PropertyWriter& properties) {
    static const std::vector<std::uint32_t> kNone;
    write_way_properties(properties, packet,
                         packet.subscription_ids != nullptr ? *packet.subscription_ids : kNone);
    out.append(packet.properties);
  });
}

} // namespace spate::wire
