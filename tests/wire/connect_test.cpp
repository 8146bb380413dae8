#include "tests/wire/bytes.hpp"

namespace spate::wire::test {

namespace {

/// A CONNECT body; `after` is all behind the keep alive (v5: with its property block).
std::string connect(unsigned level, unsigned flags, std::string_view after,
                    std::string_view name = "MQTT") {
  return str(name) + byte(level) + byte(flags) + two(60) + std::string(after);
}

Errc refusal(std::string_view body) {
  const ExactCopy copy(body);
  return refused(decode_connect(frame(PacketType::connect, copy.view())));
}

Result<Connect> decoded(std::string_view body) {
  return decode_connect(frame(PacketType::connect, body));
}

/// A v5 CONNECT with these properties alone.
std::string with_properties(std::string_view block) {
  return connect(5, 2, properties(block) + str("id"));
}

} // namespace

TEST_CASE("another protocol or level is unsupported, and its CONNACK has the form that it reads") {
  CHECK(refusal(connect(3, 2, str("id"), "MQIsdp")) == Errc::unsupported_protocol);
  CHECK(refusal(connect(4, 2, str("id"), "mqtt")) == Errc::unsupported_protocol);
  CHECK(refusal(connect(4, 2, str("id"), "")) == Errc::unsupported_protocol);
  CHECK(refusal(connect(4, 2, str("id"), "MQTTT")) == Errc::unsupported_protocol);
  for (const unsigned level : {0u, 3u, 6u, 0x7fu, 0x84u, 0xffu}) {
    CHECK(refusal(connect(level, 2, str("id"))) == Errc::unsupported_protocol);
  }
  const auto form = [](const std::string& body) {
    return connack_version(frame(PacketType::connect, body));
  };
  CHECK(form(connect(6, 0, "")) == Version::v5);
  CHECK(form(connect(5, 0, "")) == Version::v5);
  CHECK(form(connect(4, 0, "")) == Version::v311);
  CHECK(form(connect(3, 0, "", "MQIsdp")) == Version::v311);
  CHECK(form(connect(0x84, 0, "")) == Version::v311);
  CHECK(form(str("MQTT")) == Version::v311);
  CHECK(form("") == Version::v311);
}

TEST_CASE("connect flags that contradict each other are malformed") {
  for (const unsigned level : {4u, 5u}) {
    const std::string rest = (level == 5 ? "\0"s : ""s) + str("id");
    CHECK(refusal(connect(level, 0x03, rest)) == Errc::malformed_packet); // Reserved bit.
    CHECK(refusal(connect(level, 0x0a, rest)) == Errc::malformed_packet); // Will QoS, no will.
    CHECK(refusal(connect(level, 0x22, rest)) == Errc::malformed_packet); // Will Retain, no will.
    const std::string will = (level == 5 ? "\0"s : ""s) + str("t") + str("p");
    CHECK(refusal(connect(level, 0x1e, rest + will)) == Errc::malformed_packet); // Will QoS 3.
    CHECK(decoded(connect(level, 0x16, rest + will))->will->qos == 2);
  }
}

TEST_CASE("a password needs a user name in 3.1.1 alone") {
  CHECK(refusal(connect(4, 0x42, str("id") + str("secret"))) == Errc::malformed_packet);
  const std::string body = connect(5, 0x42, "\0"s + str("id") + str("secret"));
  const auto packet = decoded(body);
  REQUIRE(packet);
  CHECK(packet->password == "secret");
  CHECK_FALSE(packet->user_name);
}

TEST_CASE("no client identifier needs Clean Session in 3.1.1 alone") {
  CHECK(refusal(connect(4, 0, str(""))) == Errc::client_id_invalid);
  CHECK(decoded(connect(4, 2, str("")))->client_id.empty());
  CHECK(decoded(connect(5, 0, "\0"s + str("")))->client_id.empty());
}

TEST_CASE("strings of a CONNECT are UTF-8 without U+0000") {
  for (const std::string& bad : {"a\0b"s, "\xff"s, "\xed\xa0\x80"s, "\xc0\xaf"s}) {
    CHECK(refusal(connect(4, 2, str(bad))) == Errc::malformed_packet);
    CHECK(refusal(connect(4, 0x82, str("id") + str(bad))) == Errc::malformed_packet);
    CHECK(refusal(with_properties(byte(21) + str(bad))) == Errc::malformed_packet);
    CHECK(refusal(with_properties(user_property(bad, "v"))) == Errc::malformed_packet);
    CHECK(refusal(with_properties(user_property("n", bad))) == Errc::malformed_packet);
    // Password and will payload are bytes, not text.
    CHECK(decoded(connect(4, 0xc2, str("id") + str("u") + str(bad)))->password == bad);
    CHECK(decoded(connect(4, 0x06, str("id") + str("t") + str(bad)))->will->payload == bad);
  }
}

TEST_CASE("a will goes to a topic name") {
  for (const char* bad : {"", "a/#", "+"}) {
    CHECK(refusal(connect(4, 0x06, str("id") + str(bad) + str("p"))) == Errc::topic_invalid);
    CHECK(refusal(connect(5, 0x06, "\0"s + str("id") + "\0"s + str(bad) + str("p"))) ==
          Errc::topic_invalid);
  }
  CHECK(refusal(connect(4, 0x06, str("id") + str("\xff") + str("p"))) == Errc::malformed_packet);
  const std::string reply = properties(byte(8) + str("a/+"));
  CHECK(refusal(connect(5, 0x06, "\0"s + str("id") + reply + str("t") + str("p"))) ==
        Errc::topic_invalid);
}

TEST_CASE("properties of a CONNECT out of their range are protocol errors") {
  CHECK(refusal(with_properties(byte(33) + two(0))) == Errc::protocol_error);  // Receive Maximum.
  CHECK(refusal(with_properties(byte(39) + four(0))) == Errc::protocol_error); // Packet size.
  CHECK(refusal(with_properties(byte(25) + byte(2))) == Errc::protocol_error);
  CHECK(refusal(with_properties(byte(23) + byte(2))) == Errc::protocol_error);
  CHECK(refusal(with_properties(byte(22) + str("data"))) == Errc::protocol_error); // No method.
  CHECK(decoded(with_properties(byte(22) + str("d") + byte(21) + str("m")))->authentication_data ==
        "d");
  CHECK(decoded(with_properties(byte(34) + two(0)))->topic_alias_maximum == 0);
}

TEST_CASE("a property block that lies about its length is malformed") {
  CHECK(refusal(connect(5, 2, variable(100) + str("id"))) == Errc::malformed_packet);
  CHECK(refusal(connect(5, 2, variable(2) + byte(33) + two(9) + str("id"))) ==
        Errc::malformed_packet);
  CHECK(refusal(connect(5, 2, "\xff\xff\xff\xff\x01"s)) == Errc::malformed_packet);
  CHECK(refusal(connect(5, 2, "\x80\x00"s + str("id"))) == Errc::malformed_packet); // Not minimal.
  CHECK(refusal(connect(5, 2, "")) == Errc::malformed_packet);
}

TEST_CASE("bytes before or behind the fields of a CONNECT are malformed") {
  CHECK(refusal("") == Errc::malformed_packet);
  CHECK(refusal("\xff\xff"s) == Errc::malformed_packet);
  CHECK(refusal(connect(4, 2, str("id") + "x")) == Errc::malformed_packet);
  CHECK(refusal(connect(5, 2, "\0"s + str("id") + "x")) == Errc::malformed_packet);
  CHECK(refusal(connect(4, 2, "\xff\xff"s + "id")) == Errc::malformed_packet);
  CHECK(refusal(connect(4, 0x82, str("id"))) == Errc::malformed_packet);            // No user name.
  CHECK(refusal(connect(4, 0x06, str("id") + str("t"))) == Errc::malformed_packet); // No payload.
}

TEST_CASE("all fields of a CONNECT arrive as they were sent") {
  const std::string block = byte(17) + four(3600) + byte(33) + two(20) + byte(39) + four(65536) +
                            byte(34) + two(10) + byte(25) + byte(1) + byte(23) + byte(0) +
                            user_property("fw", "1.2");
  const std::string will = properties(byte(24) + four(5) + byte(1) + byte(1) + byte(2) + four(9) +
                                      byte(3) + str("text/plain") + byte(8) + str("re/ply") +
                                      byte(9) + str("\xff\0"s) + user_property("k", ""));
  const std::string body = connect(5, 0xee,
                                   properties(block) + str("dev-1") + will + str("last") +
                                       str("gone") + str("user") + str("pass"));
  const auto c = decoded(body);
  REQUIRE(c);
  CHECK(c->version == Version::v5);
  CHECK(c->clean_start);
  CHECK(c->keep_alive_s == 60);
  CHECK(c->client_id == "dev-1");
  CHECK(c->session_expiry_s == 3600);
  CHECK(c->receive_maximum == 20);
  CHECK(c->packet_bytes_max == 65536);
  CHECK(c->topic_alias_maximum == 10);
  CHECK(c->request_response_information);
  CHECK_FALSE(c->request_problem_information);
  CHECK(c->user_properties == UserProperties{{"fw", "1.2"}});
  REQUIRE(c->will);
  CHECK(c->will->topic == "last");
  CHECK(c->will->payload == "gone");
  CHECK(c->will->qos == 1);
  CHECK(c->will->retain);
  CHECK(c->will->delay_s == 5);
  CHECK(c->will->payload_format == 1);
  CHECK(c->will->message_expiry_s == 9);
  CHECK(c->will->content_type == "text/plain");
  CHECK(c->will->response_topic == "re/ply");
  CHECK(c->will->correlation_data == "\xff\0"sv);
  CHECK(c->user_name == "user");
  CHECK(c->password == "pass");
}

} // namespace spate::wire::test
