#include "engine/base/utf8.hpp"
#include "engine/wire/codec.hpp"
#include "engine/wire/properties.hpp"
#include "engine/wire/reader.hpp"
#include "engine/wire/reason.hpp"
#include "engine/wire/topic.hpp"
#include "engine/wire/writer.hpp"

namespace spate::wire {

namespace {

constexpr unsigned kNoLocal = 4;
constexpr unsigned kRetainAsPublished = 8;

std::string_view read_filter(PacketReader& in, Version version) {
  const std::string_view filter = in.binary("topic filter");
  const char* why =
      version == Version::v5 ? topic_filter_fault(filter) : plain_filter_fault(filter);
  if (in.ok() && why != nullptr) {
    in.refuse(is_utf8(filter) ? Errc::filter_invalid : Errc::malformed_packet, "topic filter", why);
  }
  return filter;
}

void read_options(PacketReader& in, Subscription& out, Version version) {
  const unsigned options = in.byte("subscription options");
  out.qos = static_cast<std::uint8_t>(options & 3);
  if (version == Version::v311) {
    if (options > 2) {
      in.refuse(Errc::malformed_packet, "subscription options", "are not 0, 1 or 2 [MQTT-3-8.3-4]");
    }
    return;
  }
  out.no_local = (options & kNoLocal) != 0;
  out.retain_as_published = (options & kRetainAsPublished) != 0;
  out.retain_handling = static_cast<std::uint8_t>(options >> 4 & 3);
  if (options >> 6 != 0) {
    in.refuse(Errc::malformed_packet, "subscription options", "have reserved bits [MQTT5-3.8.3-5]");
  } else if (out.qos == 3) {
    in.refuse(Errc::protocol_error, "Maximum QoS", "is 3 [MQTT5-3.8.3.1]");
  } else if (out.retain_handling == 3) {
    in.refuse(Errc::protocol_error, "Retain Handling", "is 3 [MQTT5-3.8.3.1]");
  } else if (out.no_local && out.filter.starts_with(kSharePrefix)) {
    in.refuse(Errc::protocol_error, "No Local", "is set on a shared subscription [MQTT5-3.8.3-4]");
  }
}

/// Both packets hold one list that is not empty, here also not endless.
template <class ReadOne>
void read_list(PacketReader& in, const char* empty_clause, ReadOne read_one) {
  if (in.ok() && in.empty()) {
    in.refuse(Errc::protocol_error, "packet", empty_clause);
  }
  for (std::size_t count = 0; !in.empty(); ++count) {
    if (count == kSubscriptionsPerPacketMax) {
      in.refuse(Errc::protocol_error, "packet", "has more than 100 filters, the limit here");
      return;
    }
    read_one();
  }
}
static_assert(kSubscriptionsPerPacketMax == 100, "the text above names the limit");

} // namespace

Result<Subscribe> decode_subscribe(const Frame& frame, Version version) {
  const auto parse = [&](PacketReader& in, Subscribe& out) {
    out.packet_id = in.packet_id();
    if (version == Version::v5) {
      PropertyReader properties(in, place_of(PacketType::subscribe));
      for (Property p; properties.next(p);) {
        if (p.id == PropertyId::subscription_id) {
          out.subscription_id = p.number;
        } else {
          out.user_properties.push_back(p.pair());
        }
      }
    }
    read_list(in, "has no subscription [MQTT-3.8.3-3, MQTT5-3.8.3-2]", [&] {
      Subscription& one = out.subscriptions.emplace_back();
      one.filter = read_filter(in, version);
      read_options(in, one, version);
    });
  };
  return decode<Subscribe>(frame, PacketType::subscribe, version, parse);
}

Result<Unsubscribe> decode_unsubscribe(const Frame& frame, Version version) {
  const auto parse = [&](PacketReader& in, Unsubscribe& out) {
    out.packet_id = in.packet_id();
    if (version == Version::v5) {
      PropertyReader properties(in, place_of(PacketType::unsubscribe));
      for (Property p; properties.next(p);) {
        out.user_properties.push_back(p.pair());
      }
    }
    read_list(in, "has no topic filter [MQTT-3.10.3-2, MQTT5-3.10.3-2]",
              [&] { out.filters.push_back(read_filter(in, version)); });
  };
  return decode<Unsubscribe>(frame, PacketType::unsubscribe, version, parse);
}

namespace {

void read_reasons(PacketReader& in, SubscribeAck& out, Version version) {
  const std::string_view codes = in.rest();
  if (codes.empty()) {
    in.refuse(Errc::protocol_error, "packet", "has no reason code [MQTT-3.8.4-5, MQTT5-3.9.3-1]");
  }
  out.reasons.reserve(codes.size());
  for (const char c : codes) {
    const auto code = static_cast<std::uint8_t>(c);
    const bool known =
        version == Version::v5 ? reason_allowed(out.type, code) : code <= 2 || code == 0x80;
    if (!known) {
      in.refuse(Errc::protocol_error, "reason code",
                "is none of this packet [MQTT-3.9.3-2, MQTT5-3.9.3-2, MQTT5-3.11.3-2]");
      return;
    }
    out.reasons.push_back(static_cast<Reason>(code));
  }
}

} // namespace

Result<SubscribeAck> decode_subscribe_ack(const Frame& frame, Version version) {
  const bool unsuback = frame.type == PacketType::unsuback;
  const PacketType expected = unsuback ? PacketType::unsuback : PacketType::suback;
  return decode<SubscribeAck>(frame, expected, version, [&](PacketReader& in, SubscribeAck& out) {
    out.type = expected;
    out.packet_id = in.packet_id();
    if (version == Version::v5) {
      PropertyReader properties(in, place_of(expected));
      for (Property p; properties.next(p);) {
        if (p.id == PropertyId::reason_string) {
          out.reason_string = p.text;
        }
      }
    }
    if ((version == Version::v5 || !unsuback) && in.ok()) {
      read_reasons(in, out, version);
    }
  });
}

void append_subscribe(std::string& out, const Subscribe& packet, Version version) {
  assert(packet.packet_id != 0 && !packet.subscriptions.empty());
  PacketWriter writer(out, PacketType::subscribe, 2);
  put_be(out, packet.packet_id);
  if (version == Version::v5) {
    PropertyWriter properties(out);
    if (packet.subscription_id) {
      properties.variable(PropertyId::subscription_id, *packet.subscription_id);
    }
    properties.user(packet.user_properties);
    properties.close();
  }
  for (const Subscription& one : packet.subscriptions) {
    put_string(out, one.filter);
    unsigned options = one.qos;
    if (version == Version::v5) {
      options |= (one.no_local ? kNoLocal : 0) |
                 (one.retain_as_published ? kRetainAsPublished : 0) | one.retain_handling * 16u;
    }
    put_byte(out, options);
  }
  writer.close();
}

void append_subscribe_ack(std::string& out, const SubscribeAck& packet, Version version) {
  assert(packet.packet_id != 0);
  const bool unsuback = packet.type == PacketType::unsuback;
  PacketWriter writer(out, unsuback ? PacketType::unsuback : PacketType::suback);
  put_be(out, packet.packet_id);
  if (version == Version::v5) {
    PropertyWriter properties(out);
    properties.string_if_any(PropertyId::reason_string, packet.reason_string);
    properties.close();
  }
  if (version == Version::v5 || !unsuback) {
    for (const Reason reason : packet.reasons) {
      const auto code = static_cast<unsigned>(reason);
      // 3.1.1 knows one code for every failure.
      put_byte(out, version == Version::v311 && code > 0x80 ? 0x80 : code);
    }
  }
  writer.close();
}

void append_unsubscribe(std::string& out, const Unsubscribe& packet, Version version) {
  assert(packet.packet_id != 0 && !packet.filters.empty());
  PacketWriter writer(out, PacketType::unsubscribe, 2);
  put_be(out, packet.packet_id);
  if (version == Version::v5) {
    PropertyWriter properties(out);
    properties.user(packet.user_properties);
    properties.close();
  }
  for (const std::string_view filter : packet.filters) {
    put_string(out, filter);
  }
  writer.close();
}

} // namespace spate::wire
