#include <algorithm>

#include "tests/wire/any_packet.hpp"
#include "tests/wire/bytes.hpp"

namespace spate::wire::test {

namespace {

constexpr Version kBoth[] = {Version::v311, Version::v5};

/// The property block that v5 has and 3.1.1 has not.
std::string none(Version v) {
  return v == Version::v5 ? "\0"s : ""s;
}

std::optional<Errc> refusal(PacketType type, std::string_view body, Version v, unsigned flags = 0) {
  const ExactCopy copy(body);
  const Recoded recoded = recode(frame(type, copy.view(), flags), v);
  CHECK(recoded.same);
  if (!recoded.error) {
    return std::nullopt;
  }
  CHECK(recoded.error->detail.find_first_of("[,") != std::string::npos);
  return recoded.error->code;
}

/// A good body of each packet type.
std::string good_body(PacketType type, Version v) {
  switch (type) {
  case PacketType::connect:
    return str("MQTT") + byte(static_cast<unsigned>(v)) + byte(2) + two(0) + none(v) + str("id");
  case PacketType::connack:
    return two(0) + none(v);
  case PacketType::publish:
    return str("topic") + two(9) + none(v);
  case PacketType::subscribe:
    return two(1) + none(v) + str("f") + byte(0);
  case PacketType::unsubscribe:
    return two(1) + none(v) + str("f");
  case PacketType::suback:
    return two(1) + none(v) + byte(0);
  case PacketType::unsuback:
    return v == Version::v5 ? two(1) + none(v) + byte(0) : two(1);
  case PacketType::pingreq:
  case PacketType::pingresp:
  case PacketType::disconnect:
  case PacketType::auth:
    return "";
  default:
    return two(1);
  }
}

bool flags_good(PacketType type, unsigned flags) {
  switch (type) {
  case PacketType::publish:
    return (flags & 6) != 6 && (flags & 0xe) != 8;
  case PacketType::pubrel:
  case PacketType::subscribe:
  case PacketType::unsubscribe:
    return flags == 2;
  default:
    return flags == 0;
  }
}

} // namespace

TEST_CASE("every packet type is taken with its own header flags and malformed with others") {
  for (const Version v : kBoth) {
    for (unsigned type = 1; type < 16; ++type) {
      for (unsigned flags = 0; flags < 16; ++flags) {
        const auto packet_type = static_cast<PacketType>(type);
        CAPTURE(name_of(packet_type));
        CAPTURE(flags);
        const auto code = refusal(packet_type, good_body(packet_type, v), v, flags);
        if (packet_type == PacketType::auth && v == Version::v311) {
          CHECK(code == Errc::protocol_error);
        } else if (flags_good(packet_type, flags)) {
          CHECK(code == std::nullopt);
        } else {
          CHECK(code == Errc::malformed_packet);
        }
      }
    }
  }
}

TEST_CASE("a decoder refuses a packet of another type") {
  const Frame ping = frame(PacketType::pingreq, "");
  const Frame publish = frame(PacketType::publish, "");
  CHECK(refused(decode_connect(ping)) == Errc::protocol_error);
  CHECK(refused(decode_ping(publish, Version::v5)) == Errc::protocol_error);
  for (const Version v : kBoth) {
    CHECK(refused(decode_publish(ping, v)) == Errc::protocol_error);
    CHECK(refused(decode_ack(ping, v)) == Errc::protocol_error);
    CHECK(refused(decode_subscribe(ping, v)) == Errc::protocol_error);
    CHECK(refused(decode_unsubscribe(ping, v)) == Errc::protocol_error);
    CHECK(refused(decode_disconnect(ping, v)) == Errc::protocol_error);
    CHECK(refused(decode_connack(ping, v)) == Errc::protocol_error);
    CHECK(refused(decode_subscribe_ack(ping, v)) == Errc::protocol_error);
  }
}

TEST_CASE("packet identifier 0 is malformed in every packet that has one") {
  for (const Version v : kBoth) {
    CHECK(refusal(PacketType::publish, str("t") + two(0) + none(v), v, 2) ==
          Errc::malformed_packet);
    CHECK(refusal(PacketType::publish, str("t") + two(0) + none(v), v, 4) ==
          Errc::malformed_packet);
    for (const auto type : {PacketType::puback, PacketType::pubrec, PacketType::pubrel,
                            PacketType::pubcomp, PacketType::subscribe, PacketType::suback,
                            PacketType::unsubscribe, PacketType::unsuback}) {
      std::string body = good_body(type, v);
      body[0] = body[1] = '\0';
      CHECK(refusal(type, body, v, flags_good(type, 2) ? 2 : 0) == Errc::malformed_packet);
    }
  }
}

TEST_CASE("bytes behind the last field are malformed") {
  for (const Version v : kBoth) {
    CHECK(refusal(PacketType::pingreq, "x", v) == Errc::malformed_packet);
    CHECK(refusal(PacketType::pingresp, "x", v) == Errc::malformed_packet);
    CHECK(refusal(PacketType::connack, two(0) + none(v) + "x", v) == Errc::malformed_packet);
    CHECK(refusal(PacketType::puback, two(1) + byte(0) + byte(0) + "x", v) ==
          Errc::malformed_packet);
    CHECK(refusal(PacketType::disconnect, byte(0) + byte(0) + "x", v) == Errc::malformed_packet);
  }
  CHECK(refusal(PacketType::unsuback, two(1) + byte(0), Version::v311) == Errc::malformed_packet);
}

TEST_CASE("a PUBLISH arrives as it was sent") {
  const std::string block = byte(35) + two(7) + byte(1) + byte(1) + byte(2) + four(60) + byte(11) +
                            byte(3) + user_property("a", "b");
  const std::string body = str("") + two(0x1234) + properties(block) + "{\"t\":1}";
  const auto p = decode_publish(frame(PacketType::publish, body, 0xb), Version::v5);
  REQUIRE(p);
  CHECK(p->topic.empty());
  CHECK(p->topic_alias == 7);
  CHECK(p->packet_id == 0x1234);
  CHECK(p->qos == 1);
  CHECK(p->dup);
  CHECK(p->retain);
  CHECK(p->payload_format == 1);
  CHECK(p->message_expiry_s == 60);
  CHECK(p->subscription_ids == std::vector<std::uint32_t>{3});
  CHECK(p->user_properties == UserProperties{{"a", "b"}});
  CHECK(p->payload == "{\"t\":1}");
  CHECK(p->payload.data() == body.data() + body.size() - p->payload.size()); // Borrowed.
}

TEST_CASE("a PUBLISH of QoS 0 has no packet identifier, and its payload may be empty or anything") {
  const std::string body = str("a/b") + "\0\xff"s;
  const auto p = decode_publish(frame(PacketType::publish, body, 1), Version::v311);
  REQUIRE(p);
  CHECK(p->packet_id == 0);
  CHECK(p->retain);
  CHECK(p->payload == "\0\xff"sv);
  CHECK(decode_publish(frame(PacketType::publish, str("a/b")), Version::v311)->payload.empty());
  // Whether a payload said to be UTF-8 is UTF-8 is the session's question.
  const std::string text = str("a/b") + properties(byte(1) + byte(1)) + "\xff";
  CHECK(decode_publish(frame(PacketType::publish, text), Version::v5).has_value());
}

TEST_CASE("an ack of MQTT 5 may leave out what is the default") {
  for (const auto type :
       {PacketType::puback, PacketType::pubrec, PacketType::pubrel, PacketType::pubcomp}) {
    const unsigned flags = type == PacketType::pubrel ? 2 : 0;
    const auto ack = [&](const std::string& body) {
      return decode_ack(frame(type, body, flags), Version::v5);
    };
    const std::string no_id = byte(0x92), in_use = byte(0x91);
    const bool release = type == PacketType::pubrel || type == PacketType::pubcomp;
    const std::string code = release ? no_id : in_use;
    CHECK(ack(two(5))->reason == Reason::success);
    CHECK(ack(two(5) + code)->reason == static_cast<Reason>(code[0]));
    CHECK(ack(two(5) + code + byte(0))->packet_id == 5);
    CHECK(ack(two(5) + code + properties(byte(31) + str("why")))->reason_string == "why");
    CHECK(refused(ack(two(5) + (release ? in_use : no_id))) == Errc::protocol_error);
    CHECK(refused(ack(two(5) + byte(0x42))) == Errc::protocol_error);
    CHECK(refused(ack("")) == Errc::malformed_packet);
    CHECK(refused(ack(byte(1))) == Errc::malformed_packet);
    // 3.1.1 knows two bytes and nothing else.
    CHECK(refused(decode_ack(frame(type, two(5) + byte(0), flags), Version::v311)) ==
          Errc::malformed_packet);
  }
}

TEST_CASE("a SUBSCRIBE without subscriptions is a protocol error, one of too many too") {
  for (const Version v : kBoth) {
    CHECK(refusal(PacketType::subscribe, two(1) + none(v), v, 2) == Errc::protocol_error);
    CHECK(refusal(PacketType::unsubscribe, two(1) + none(v), v, 2) == Errc::protocol_error);
    std::string subscribe = two(1) + none(v), unsubscribe = subscribe;
    for (int i = 0; i < 100; ++i) {
      subscribe += str("f") + byte(0);
      unsubscribe += str("f");
    }
    CHECK(refusal(PacketType::subscribe, subscribe, v, 2) == std::nullopt);
    CHECK(refusal(PacketType::unsubscribe, unsubscribe, v, 2) == std::nullopt);
    CHECK(refusal(PacketType::subscribe, subscribe + str("f") + byte(0), v, 2) ==
          Errc::protocol_error);
    CHECK(refusal(PacketType::unsubscribe, unsubscribe + str("f"), v, 2) == Errc::protocol_error);
  }
}

TEST_CASE("subscription options are checked bit by bit") {
  for (unsigned options = 0; options < 256; ++options) {
    CAPTURE(options);
    const std::string v3 = two(1) + str("f") + byte(options);
    const auto code3 = refusal(PacketType::subscribe, v3, Version::v311, 2);
    CHECK(code3 == (options > 2 ? std::optional(Errc::malformed_packet) : std::nullopt));

    const std::string v5 = two(1) + byte(0) + str("f") + byte(options);
    const auto code5 = refusal(PacketType::subscribe, v5, Version::v5, 2);
    if (options >= 0x40) {
      CHECK(code5 == Errc::malformed_packet);
    } else if ((options & 3) == 3 || (options & 0x30) == 0x30) {
      CHECK(code5 == Errc::protocol_error);
    } else {
      CHECK(code5 == std::nullopt);
    }
  }
}

TEST_CASE("filters are checked, shared ones in MQTT 5 alone") {
  const auto subscribe = [](std::string_view filter, Version v, unsigned options = 0) {
    return refusal(PacketType::subscribe, two(1) + none(v) + str(filter) + byte(options), v, 2);
  };
  for (const Version v : kBoth) {
    CHECK(subscribe("a#", v) == Errc::filter_invalid);
    CHECK(subscribe("", v) == Errc::filter_invalid);
    CHECK(subscribe("\xff", v) == Errc::malformed_packet);
    CHECK(refusal(PacketType::unsubscribe, two(1) + none(v) + str("a+"), v, 2) ==
          Errc::filter_invalid);
  }
  CHECK(subscribe("$share/g", Version::v5) == Errc::filter_invalid);
  CHECK(subscribe("$share/g", Version::v311) == std::nullopt);
  CHECK(subscribe("$share/g/a", Version::v5, 4) == Errc::protocol_error); // No Local.
  CHECK(subscribe("$share/g/a", Version::v5, 0) == std::nullopt);
  CHECK(subscribe("share/g/a", Version::v5, 4) == std::nullopt);
}

TEST_CASE("a SUBACK carries codes that its version knows") {
  for (const Version v : kBoth) {
    CHECK(refusal(PacketType::suback, two(1) + none(v), v) == Errc::protocol_error);
    CHECK(refusal(PacketType::suback, two(1) + none(v) + byte(3), v) == Errc::protocol_error);
    CHECK(refusal(PacketType::suback, two(1) + none(v) + "\0\1\2\x80"s, v) == std::nullopt);
  }
  CHECK(refusal(PacketType::suback, two(1) + byte(0x87), Version::v311) == Errc::protocol_error);
  CHECK(refusal(PacketType::suback, two(1) + none(Version::v5) + byte(0x87), Version::v5) ==
        std::nullopt);
  CHECK(refusal(PacketType::unsuback, two(1) + byte(0) + byte(0x11), Version::v5) == std::nullopt);
  CHECK(refusal(PacketType::unsuback, two(1) + byte(0) + byte(1), Version::v5) ==
        Errc::protocol_error);
}

TEST_CASE("a DISCONNECT of 3.1.1 is empty, one of MQTT 5 may leave out its end") {
  CHECK(refusal(PacketType::disconnect, byte(0), Version::v311) == Errc::malformed_packet);
  const auto v5 = [](const std::string& body) {
    return decode_disconnect(frame(PacketType::disconnect, body), Version::v5);
  };
  CHECK(v5("")->reason == Reason::success);
  CHECK(v5(byte(4))->reason == Reason::disconnect_with_will);
  CHECK(v5(byte(0) + properties(byte(17) + four(9)))->session_expiry_s == 9);
  CHECK(refused(v5(byte(0x10))) == Errc::protocol_error); // A PUBACK's code.
  CHECK(refused(v5(byte(0x84))) == Errc::protocol_error); // A CONNACK's code.
}

TEST_CASE("an AUTH names its method") {
  const auto auth = [](const std::string& body) {
    return decode_disconnect(frame(PacketType::auth, body), Version::v5);
  };
  CHECK(auth("")->reason == Reason::success);
  CHECK(auth(byte(0x18) + properties(byte(21) + str("SCRAM") + byte(22) + str("x")))->reason ==
        Reason::continue_authentication);
  CHECK(refused(auth(byte(0x18) + byte(0))) == Errc::protocol_error);
  CHECK(refused(auth(byte(0x18))) == Errc::malformed_packet);
  CHECK(refused(auth(byte(0x80))) == Errc::protocol_error);
}

TEST_CASE("a CONNACK is checked by the client that reads it") {
  for (const Version v : kBoth) {
    CHECK(refusal(PacketType::connack, byte(2) + byte(0) + none(v), v) == Errc::malformed_packet);
    CHECK(refusal(PacketType::connack, byte(1) + byte(v == Version::v5 ? 0x87 : 5) + none(v), v) ==
          Errc::protocol_error);
    CHECK(refusal(PacketType::connack, byte(0) + byte(6) + none(v), v) == Errc::protocol_error);
  }
  const Reason by_code[] = {Reason::success,
                            Reason::unsupported_protocol_version,
                            Reason::client_identifier_not_valid,
                            Reason::server_unavailable,
                            Reason::bad_user_name_or_password,
                            Reason::not_authorized};
  for (unsigned code = 0; code < 6; ++code) {
    const std::string body = byte(0) + byte(code);
    CHECK(decode_connack(frame(PacketType::connack, body), Version::v311)->reason == by_code[code]);
    CHECK(connack_return_code(by_code[code]) == code);
  }
}

} // namespace spate::wire::test
