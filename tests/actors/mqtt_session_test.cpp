#include "tests/actors/session_fixture.hpp"

namespace spate::actors {
namespace {

TEST_SUITE("actors.mqtt_session") {
  TEST_CASE("a PUBACK is sent after the commit and not before") {
    for (const Version version : {Version::v311, Version::v5}) {
      Fixture f;
      f.connect(version);
      CHECK(f.connack(version).reason == Reason::success);
      f.publish(version, 17);
      f.writer.hand_over();
      CHECK_FALSE(f.next());
      f.commit();
      const wire::Ack ack = f.next_ack(version);
      CHECK(ack.type == PacketType::puback);
      CHECK(ack.packet_id == 17);
      CHECK(ack.reason == Reason::success);
    }
  }

  TEST_CASE("acknowledgements keep the order of the PUBLISH packets across shards") {
    Fixture f;
    f.connect(Version::v311);
    f.connack(Version::v311);
    // Two devices of different shards behind one gateway.
    std::string other = "d2";
    while (f.store.shard_of(other) == f.store.shard_of("d1")) {
      other += 'x';
    }
    f.publish(Version::v311, 1, 1, R"({"a":1})", "devices/d1/telemetry");
    f.publish(Version::v311, 2, 1, R"({"a":1})", "devices/" + other + "/telemetry");
    f.writer.hand_over();
    REQUIRE(f.store.waiting.size() == 2);
    const bool first_is_front = f.store.waiting[0]->messages[0].ack.sequence == 0;
    f.store.answer(model::CommitStatus::committed, first_is_front); // The second message's block.
    f.deliver();
    CHECK_FALSE(f.next());
    f.store.answer();
    f.deliver();
    CHECK(f.next_ack(Version::v311).packet_id == 1);
    CHECK(f.next_ack(Version::v311).packet_id == 2);
  }

  TEST_CASE("records are kept as long as the route of their topic says") {
    Fixture f;
    telemetry::Route kept;
    kept.pattern = "kept/{device}";
    kept.retention_s = 86'400;
    f.routes = std::move(*telemetry::RouteTable::compile({telemetry::Route{}, kept}));
    f.connect(Version::v311);
    f.connack(Version::v311);
    f.publish(Version::v311, 1, 1, R"({"a":1})", "kept/d1");
    f.publish(Version::v311, 2, 1, R"({"a":2})", "devices/d1/telemetry");
    f.publish(Version::v311, 3, 1, R"({"a":3})", "kept/d1");
    f.writer.hand_over();
    REQUIRE(f.store.waiting.size() == 1);
    const auto& messages = f.store.waiting[0]->messages;
    REQUIRE(messages.size() == 3);
    CHECK(messages[0].retention_s == 86'400);
    CHECK(messages[1].retention_s == 0);
    CHECK(messages[2].retention_s == 86'400);
  }

  TEST_CASE("a bad payload is recorded as a rejection and then acknowledged") {
    Fixture f;
    f.connect(Version::v5);
    f.connack(Version::v5);
    f.publish(Version::v5, 5, 1, R"({"temp":NaN})");
    f.writer.hand_over();
    REQUIRE(f.store.waiting.size() == 1);
    const model::TelemetryBlock& block = *f.store.waiting[0];
    REQUIRE(block.rejections.size() == 1);
    CHECK(block.rows.empty());
    CHECK(block.rejections[0].reason == model::RejectReason::payload_not_json);
    CHECK(block.rejections[0].device == "d1");
    CHECK(block.rejections[0].topic == "devices/d1/telemetry");
    CHECK(block.rejections[0].sample == R"({"temp":NaN})");
    CHECK_FALSE(f.next());
    f.commit();
    const wire::Ack ack = f.next_ack(Version::v5);
    CHECK(ack.packet_id == 5);
    CHECK(ack.reason == Reason::payload_format_invalid);
    CHECK_FALSE(f.port.closed);
  }

  TEST_CASE("a topic without a route is acknowledged and counted") {
    Fixture f;
    f.connect(Version::v5);
    f.connack(Version::v5);
    f.publish(Version::v5, 6, 1, "{}", "some/where/else");
    f.commit();
    CHECK(f.next_ack(Version::v5).reason == Reason::no_matching_subscribers);
    const auto counts = f.writer.ledger().snapshot();
    CHECK(counts.rejected[static_cast<std::size_t>(model::RejectReason::no_route)] == 1);
    CHECK(counts.imbalance() == 0);
  }

  TEST_CASE("after a failed commit nothing is acknowledged and the client is told to go") {
    Fixture f;
    f.connect(Version::v5);
    f.connack(Version::v5);
    f.publish(Version::v5, 1);
    f.publish(Version::v5, 2);
    f.commit(model::CommitStatus::unavailable);
    const wire::Disconnect packet = f.goodbye();
    CHECK(packet.reason == Reason::implementation_specific_error);
    CHECK(packet.reason_string == "the store can not take records now");
    CHECK(f.port.closed);
    CHECK_FALSE(f.next());
  }

  TEST_CASE("a full disk is a quota for 5.0 and the end of the connection for 3.1.1") {
    Fixture five;
    five.connect(Version::v5);
    five.connack(Version::v5);
    five.publish(Version::v5, 1);
    five.commit(model::CommitStatus::full);
    CHECK(five.next_ack(Version::v5).reason == Reason::quota_exceeded);
    CHECK_FALSE(five.port.closed);

    Fixture three;
    three.connect(Version::v311);
    three.connack(Version::v311);
    three.publish(Version::v311, 1);
    three.commit(model::CommitStatus::full);
    CHECK_FALSE(three.next());
    CHECK(three.port.closed);
  }

  TEST_CASE("a QoS 2 message is stored once however often it is sent") {
    Fixture f;
    f.connect(Version::v5);
    f.connack(Version::v5);
    f.publish(Version::v5, 9, 2);
    f.publish(Version::v5, 9, 2); // In flight: the PUBREC of its commit answers it.
    f.commit();
    CHECK(f.next_ack(Version::v5).type == PacketType::pubrec);
    CHECK_FALSE(f.next());
    f.publish(Version::v5, 9, 2); // Stored, its PUBREC was lost.
    CHECK(f.store.waiting.empty());
    CHECK(f.next_ack(Version::v5).type == PacketType::pubrec);
    f.ack(Version::v5, PacketType::pubrel, 9);
    CHECK(f.next_ack(Version::v5).type == PacketType::pubcomp);
    f.ack(Version::v5, PacketType::pubrel, 9);
    CHECK(f.next_ack(Version::v5).reason == Reason::packet_identifier_not_found);
    CHECK(f.writer.ledger().snapshot().stored == 1);
  }

  TEST_CASE("QoS 0 is stored without an answer") {
    Fixture f;
    f.connect(Version::v311);
    f.connack(Version::v311);
    f.publish(Version::v311, 0, 0);
    f.commit();
    CHECK_FALSE(f.next());
    CHECK(f.writer.ledger().snapshot().stored == 1);
  }

  TEST_CASE("the device's number is asked for once and then sent along") {
    Fixture f;
    f.connect(Version::v311);
    f.publish(Version::v311, 1);
    f.writer.hand_over();
    CHECK(f.store.waiting[0]->name(f.store.waiting[0]->messages[0]) == "d1");
    f.commit();
    f.publish(Version::v311, 2);
    f.writer.hand_over();
    CHECK(f.store.waiting[0]->messages[0].device == static_cast<model::DeviceNumber>(7));
    CHECK(f.store.waiting[0]->messages[0].name_bytes == 0);
  }

  TEST_CASE("a topic alias stands for its topic, and only after it was named") {
    Fixture f;
    f.connect(Version::v5);
    f.connack(Version::v5);
    f.publish(Version::v5, 1, 1, "{\"a\":1}", "devices/d9/telemetry", 4);
    f.publish(Version::v5, 2, 1, "{\"a\":2}", "", 4);
    f.writer.hand_over();
    REQUIRE(f.store.waiting.size() == 1);
    CHECK(f.store.waiting[0]->messages.size() == 2);
    f.publish(Version::v5, 3, 1, "{}", "", 5);
    CHECK(f.goodbye().reason == Reason::protocol_error);

    Fixture above;
    above.connect(Version::v5);
    above.connack(Version::v5);
    above.publish(Version::v5, 1, 1, "{}", "devices/d9/telemetry", 17);
    CHECK(above.goodbye().reason == Reason::topic_alias_invalid);
  }

  TEST_CASE("the first packet must be a CONNECT, and there is only one") {
    Fixture early;
    early.publish(Version::v311, 1);
    CHECK(early.port.closed);
    CHECK(early.port.out.empty()); // Strangers get no answer.

    Fixture twice;
    twice.connect(Version::v5);
    twice.connack(Version::v5);
    twice.connect(Version::v5);
    CHECK(twice.goodbye().reason == Reason::protocol_error);
  }

  TEST_CASE("another protocol version is refused in the words of the sender's") {
    Fixture f;
    std::string bytes("\x10\x0c\x00\x04MQTT\x06\x02\x00\x3c\x00\x00", 14);
    f.feed(bytes);
    CHECK(f.connack(Version::v5).reason == Reason::unsupported_protocol_version);
    CHECK(f.port.closed);

    Fixture old;
    old.feed(std::string("\x10\x0c\x00\x04MQTT\x03\x02\x00\x3c\x00\x00", 14));
    const auto answer = old.next();
    REQUIRE(answer);
    CHECK(answer->bytes == std::string("\0\1", 2)); // Return code 1.
  }

  TEST_CASE("packets that only a server sends end the connection") {
    for (const int first : {0x20, 0x90, 0xb0, 0xd0, 0xf0}) {
      CAPTURE(first);
      Fixture f;
      f.connect(Version::v5);
      f.connack(Version::v5);
      f.feed(std::string{static_cast<char>(first), 2, 0, 1});
      CHECK(f.port.closed);
      CHECK(f.next()->type == PacketType::disconnect);
    }
  }

  TEST_CASE("an empty client id gets a name in 5.0 and with Clean Session, else return code 2") {
    Fixture five;
    five.connect(Version::v5, "");
    CHECK_FALSE(five.connack(Version::v5).assigned_client_id.empty());
    CHECK(five.port.claimed == five.session.client_id());

    Fixture three;
    wire::Connect packet;
    packet.clean_start = false;
    std::string bytes;
    wire::append_connect(bytes, packet);
    three.feed(bytes);
    CHECK(three.port.closed);
  }

  TEST_CASE("a refused payload is named in the acknowledgement, unless the client wants no words") {
    for (const bool words : {true, false}) {
      Fixture f;
      wire::Connect packet;
      packet.version = Version::v5;
      packet.client_id = "c1";
      packet.clean_start = true;
      packet.request_problem_information = words;
      std::string bytes;
      wire::append_connect(bytes, packet);
      f.feed(bytes);
      f.connack(Version::v5);
      f.publish(Version::v5, 1, 1, "{}");
      f.commit();
      CHECK(f.next_ack(Version::v5).reason_string == (words ? "no-values" : ""));
    }
  }

  TEST_CASE("a QoS 2 message with the id of a QoS 1 message in flight is answered as well") {
    Fixture f;
    f.connect(Version::v5);
    f.connack(Version::v5);
    f.publish(Version::v5, 7, 1);
    f.publish(Version::v5, 7, 2);
    f.commit();
    CHECK(f.next_ack(Version::v5).type == PacketType::puback);
    CHECK(f.next_ack(Version::v5).type == PacketType::pubrec);
  }

  TEST_CASE("a session that is taken over says so") {
    Fixture f;
    f.connect(Version::v5);
    f.connack(Version::v5);
    f.session.on_taken_over();
    CHECK(f.goodbye().reason == Reason::session_taken_over);
  }

  TEST_CASE("a device counts as connected from its first message to the end of its session") {
    Fixture f;
    f.connect(Version::v5);
    CHECK_FALSE(f.presence.find("d1"));
    f.publish(Version::v5, 1);
    REQUIRE(f.presence.find("d1"));
    CHECK(f.presence.find("d1")->protocol == model::Protocol::mqtt5);
    f.session.on_closed();
    CHECK_FALSE(f.presence.find("d1"));
  }

  TEST_CASE("one read with many packets and half a packet is used up to the half") {
    Fixture f;
    f.connect(Version::v311);
    f.connack(Version::v311);
    std::string bytes;
    for (std::uint16_t id = 1; id <= 3; ++id) {
      wire::Publish packet;
      packet.topic = "devices/d1/telemetry";
      packet.payload = "{\"a\":1}";
      packet.packet_id = id;
      packet.qos = 1;
      wire::append_publish(bytes, packet, Version::v311);
    }
    const std::size_t whole = bytes.size() / 3 * 2;
    CHECK(f.feed(bytes.substr(0, whole + 5)) == whole);
    CHECK(f.feed(bytes.substr(whole)) == bytes.size() - whole);
    f.commit();
    CHECK(f.next_ack(Version::v311).packet_id == 1);
    CHECK(f.next_ack(Version::v311).packet_id == 2);
    CHECK(f.next_ack(Version::v311).packet_id == 3);
  }
}

} // namespace
} // namespace spate::actors
