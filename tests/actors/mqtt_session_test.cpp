#include "actors/mqtt_session.hpp"

#include <optional>

#include <doctest/doctest.h>

#include "engine/net/connection.hpp"
#include "tests/actors/fake_store.hpp"

namespace spate::actors {
namespace {

using wire::PacketType;
using wire::Reason;
using wire::Version;

struct FakePort final : SessionPort {
  std::string out;
  std::string claimed;
  bool paused = false;
  bool closed = false;
  std::size_t expected = 0;

  std::string& output() override { return out; }
  void sent() override {}
  void pause_reading(bool pause) override { paused = pause; }
  void set_packet_bytes_max(std::size_t) override {}
  void expect(std::size_t bytes) override { expected = bytes; }
  void close() override { closed = true; }
  void claim(std::string_view client_id) override { claimed = client_id; }
  std::string remote_address() const override { return "127.0.0.1:1"; }
};

struct Answer {
  PacketType type{};
  std::uint8_t flags = 0;
  std::string bytes;
  [[nodiscard]] wire::Frame frame() const { return {type, flags, bytes}; }
};

/// A session whose receipts and clock are the test's.
struct Fixture final : ReceiptListener {
  explicit Fixture(SessionLimits limits = {}) : context_limits(limits) {}
  ~Fixture() override {
    writer.hand_over();
    store.answer_all();
    deliver();
  }

  void on_message(const model::TelemetryBlock& block, const model::Message& message) override {
    session.on_receipt(block, message);
  }

  /// Bytes to the session, as a connection would show them: with padding behind.
  std::size_t feed(const std::string& bytes) {
    std::string padded = bytes;
    padded.append(net::Connection::kPaddingBytes, '\0');
    return session.on_bytes(std::string_view(padded).substr(0, bytes.size()));
  }

  void connect(Version version, std::string_view client_id = "c1",
               std::uint16_t keep_alive_s = 60) {
    wire::Connect packet;
    packet.version = version;
    packet.client_id = client_id;
    packet.clean_start = true;
    packet.keep_alive_s = keep_alive_s;
    std::string bytes;
    wire::append_connect(bytes, packet);
    feed(bytes);
  }

  std::size_t publish(Version version, std::uint16_t packet_id, std::uint8_t qos = 1,
                      std::string_view payload = R"({"temp":18.9})",
                      std::string_view topic = "devices/d1/telemetry", std::uint16_t alias = 0) {
    wire::Publish packet;
    packet.topic = topic;
    packet.payload = payload;
    packet.packet_id = packet_id;
    packet.qos = qos;
    packet.topic_alias = alias;
    std::string bytes;
    wire::append_publish(bytes, packet, version);
    return feed(bytes);
  }

  void ack(Version version, PacketType type, std::uint16_t packet_id) {
    wire::Ack packet;
    packet.type = type;
    packet.packet_id = packet_id;
    std::string bytes;
    wire::append_ack(bytes, packet, version);
    feed(bytes);
  }

  void commit(model::CommitStatus status = model::CommitStatus::committed) {
    writer.hand_over();
    store.answer_all(status);
    deliver();
  }
  void deliver() {
    while (writer.deliver_receipts(100)) {
    }
  }

  /// Takes one packet from what the session has written.
  std::optional<Answer> next() {
    const auto result = wire::next_frame(port.out, 1u << 20);
    if (result.status != wire::FrameStatus::complete) {
      return std::nullopt;
    }
    Answer answer{result.frame.type, result.frame.flags, std::string(result.frame.body)};
    port.out.erase(0, result.bytes);
    return answer;
  }
  wire::Connack connack(Version version) {
    const auto answer = next();
    REQUIRE(answer);
    REQUIRE(answer->type == PacketType::connack);
    kept = answer->bytes;
    return *wire::decode_connack({answer->type, answer->flags, kept}, version);
  }
  wire::Ack next_ack(Version version) {
    const auto answer = next();
    REQUIRE(answer);
    kept = answer->bytes;
    const auto decoded = wire::decode_ack({answer->type, answer->flags, kept}, version);
    REQUIRE(decoded);
    return *decoded;
  }
  wire::Disconnect goodbye() {
    const auto answer = next();
    REQUIRE(answer);
    REQUIRE(answer->type == PacketType::disconnect);
    kept = answer->bytes;
    const auto decoded = wire::decode_disconnect({answer->type, answer->flags, kept}, Version::v5);
    REQUIRE(decoded);
    return *decoded;
  }

  SessionLimits context_limits;
  net::Loop loop;
  FakeStore store;
  model::ShapeTable shapes;
  telemetry::RouteTable routes;
  telemetry::Parser parser{shapes};
  Presence presence;
  ShardWriter writer{loop, store, *this};
  SessionContext context{store,
                         writer,
                         parser,
                         routes,
                         presence,
                         loop,
                         context_limits,
                         "fsync",
                         {},
                         log::RateLimit(0, 0),
                         {},
                         std::mt19937_64(1)};
  FakePort port;
  MqttSession session{context, port, 3, 9};
  std::string kept;
};

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

  TEST_CASE("a 3.1.1 client with too much in flight is not read until some of it is answered") {
    Fixture f({.receive_maximum = 2});
    f.connect(Version::v311);
    f.connack(Version::v311);
    CHECK(f.publish(Version::v311, 1) > 0);
    CHECK(f.publish(Version::v311, 2) > 0);
    CHECK(f.publish(Version::v311, 3) == 0); // Left for later.
    CHECK(f.port.paused);
    f.commit();
    CHECK_FALSE(f.port.paused);
    CHECK(f.publish(Version::v311, 3) > 0);
    CHECK_FALSE(f.port.closed);
  }

  TEST_CASE("a 5.0 client that passes its Receive Maximum is disconnected") {
    Fixture f({.receive_maximum = 2});
    f.connect(Version::v5);
    CHECK(f.connack(Version::v5).receive_maximum == 2);
    for (std::uint16_t id = 1; id <= 3; ++id) {
      f.publish(Version::v5, id);
    }
    CHECK(f.goodbye().reason == Reason::receive_maximum_exceeded);
  }

  TEST_CASE("a 3.1.1 client may owe more PUBRELs than the receive maximum") {
    Fixture f({.receive_maximum = 2});
    f.connect(Version::v311);
    f.connack(Version::v311);
    for (std::uint16_t id = 1; id <= 10; ++id) {
      CHECK(f.publish(Version::v311, id, 2) > 0);
      f.commit();
      CHECK(f.next_ack(Version::v311).type == PacketType::pubrec);
    }
    CHECK_FALSE(f.port.closed);
    CHECK_FALSE(f.port.paused);
    CHECK(f.session.in_flight() == 10);
    for (std::uint16_t id = 1; id <= 10; ++id) {
      f.ack(Version::v311, PacketType::pubrel, id);
      CHECK(f.next_ack(Version::v311).type == PacketType::pubcomp);
    }
    CHECK(f.session.in_flight() == 0);
  }

  TEST_CASE("QoS 2 handshakes that are never finished are bounded") {
    Fixture f({.receive_maximum = 3});
    f.connect(Version::v5);
    f.connack(Version::v5);
    for (std::uint16_t id = 1; id <= 4; ++id) {
      f.publish(Version::v5, id, 2);
      f.commit();
    }
    CHECK(f.port.closed);
    CHECK(f.session.in_flight() == 3);
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
    for (const int first : {0x20, 0x90, 0xb0, 0xd0, 0x40, 0x50, 0x70, 0xf0}) {
      CAPTURE(first);
      Fixture f;
      f.connect(Version::v5);
      f.connack(Version::v5);
      f.feed(std::string{static_cast<char>(first), 2, 0, 1});
      CHECK(f.port.closed);
      CHECK(f.next()->type == PacketType::disconnect);
    }
  }

  TEST_CASE("an oversized packet is refused by its header, before it is buffered") {
    Fixture f({.packet_bytes_max = 1024});
    f.connect(Version::v5);
    CHECK(f.connack(Version::v5).packet_bytes_max == 1024);
    f.feed(std::string("\x32\xff\xff\x7f", 4));
    CHECK(f.goodbye().reason == Reason::packet_too_large);

    Fixture stranger({.connect_bytes_max = 300});
    stranger.feed(std::string("\x10\xff\x7f", 3));
    CHECK(stranger.port.closed);
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

  TEST_CASE("keep-alive: silence is ended after one and a half of it, and never before") {
    Fixture f;
    f.connect(Version::v5, "c1", 10);
    f.connack(Version::v5);
    const std::uint64_t t0 = f.loop.now_ms();
    CHECK(f.session.on_timer(t0 + 14'000) == 1'000);
    CHECK_FALSE(f.port.closed);
    f.session.on_timer(t0 + 15'000);
    CHECK(f.goodbye().reason == Reason::keep_alive_timeout);

    Fixture none;
    none.connect(Version::v311, "c1", 0);
    none.session.on_timer(none.loop.now_ms() + 100'000'000);
    CHECK_FALSE(none.port.closed);

    Fixture mute;
    mute.session.on_timer(mute.loop.now_ms() + 5'000);
    CHECK(mute.port.closed); // No CONNECT.
  }

  TEST_CASE("a CONNECT that trickles in is refused at its deadline") {
    Fixture f;
    const std::uint64_t accepted_ms = f.loop.now_ms();
    std::string bytes;
    wire::Connect packet;
    packet.client_id = "slow";
    wire::append_connect(bytes, packet);
    CHECK(f.feed(bytes.substr(0, 5)) == 0);
    CHECK(f.port.expected == bytes.size());
    CHECK_FALSE(f.port.closed);
    f.session.on_timer(accepted_ms + f.context_limits.connect_timeout_ms);
    CHECK(f.port.closed);
  }

  TEST_CASE("a client that takes only small packets gets no larger ones") {
    Fixture f;
    wire::Connect packet;
    packet.version = Version::v5;
    packet.client_id = "c1";
    packet.clean_start = true;
    packet.keep_alive_s = 60;
    packet.packet_bytes_max = 30;
    std::string bytes;
    wire::append_connect(bytes, packet);
    f.feed(bytes);
    CHECK(f.port.out.size() <= 30);
    CHECK(f.connack(Version::v5).user_properties.empty());
    f.publish(Version::v5, 1, 1, "no JSON at all");
    f.commit();
    CHECK(f.port.out.size() <= 30);
    CHECK(f.next_ack(Version::v5).reason == Reason::payload_format_invalid);
    f.session.on_taken_over();
    CHECK(f.port.out.size() <= 30);
    CHECK(f.goodbye().reason_string.empty());
  }

  TEST_CASE("a client that takes no packet as large as a CONNACK is not connected") {
    Fixture f;
    wire::Connect packet;
    packet.version = Version::v5;
    packet.client_id = "c1";
    packet.clean_start = true;
    packet.packet_bytes_max = 4;
    std::string bytes;
    wire::append_connect(bytes, packet);
    f.feed(bytes);
    CHECK(f.port.out.empty());
    CHECK(f.port.closed);
    CHECK(f.port.claimed.empty());
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

  TEST_CASE("reasons that take turns in one message do not fill the list of rejections") {
    Fixture f;
    f.connect(Version::v311);
    std::string payload = "[1";
    for (int i = 0; i < 1000; ++i) {
      payload += R"(,{"ts":-1},1)";
    }
    f.publish(Version::v311, 1, 1, payload + "]");
    f.writer.hand_over();
    REQUIRE(f.store.waiting.size() == 1);
    const auto& rejections = f.store.waiting[0]->rejections;
    CHECK(rejections.size() < 20);
    std::uint32_t records = 0;
    for (const model::Rejection& rejection : rejections) {
      records += rejection.records;
    }
    CHECK(records == 2001);
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

  TEST_CASE("topics behind aliases are bounded") {
    Fixture f;
    f.connect(Version::v5);
    f.connack(Version::v5);
    const std::string topic(10'000, 't');
    f.publish(Version::v5, 1, 1, "{}", topic, 1);
    f.publish(Version::v5, 2, 1, "{}", topic, 1); // The same one anew.
    CHECK_FALSE(f.port.closed);
    f.publish(Version::v5, 3, 1, "{}", topic, 2);
    CHECK(f.port.closed);
    CHECK(f.goodbye().reason == Reason::quota_exceeded);
  }

  TEST_CASE("time in which the loop read nothing is no silence") {
    Fixture f;
    f.connect(Version::v311, "c1", 10);
    const std::uint64_t connected_ms = f.loop.now_ms();
    f.loop.pause_reading(true);
    f.session.on_timer(connected_ms + 60'000);
    CHECK_FALSE(f.port.closed);
    f.loop.pause_reading(false); // At the loop's time, which the test does not move.
    CHECK(f.loop.reading_resumed_ms() >= connected_ms);
    f.session.on_timer(f.loop.reading_resumed_ms() + 14'999);
    CHECK_FALSE(f.port.closed);
    f.session.on_timer(f.loop.reading_resumed_ms() + 15'000);
    CHECK(f.port.closed);
  }

  TEST_CASE("a 5.0 client without a bounded keep-alive is given the server's") {
    Fixture f({.keep_alive_s_max = 120});
    f.connect(Version::v5, "c1", 0);
    CHECK(f.connack(Version::v5).server_keep_alive_s == 120);
  }

  TEST_CASE("a session that is taken over says so") {
    Fixture f;
    f.connect(Version::v5);
    f.connack(Version::v5);
    f.session.on_taken_over();
    CHECK(f.goodbye().reason == Reason::session_taken_over);
  }

  TEST_CASE("subscriptions are answered one by one, within the limit") {
    Fixture f({.subscriptions_max = 2});
    f.connect(Version::v5);
    f.connack(Version::v5);
    wire::Subscribe packet;
    packet.packet_id = 3;
    packet.subscriptions = {{"a/+", 1}, {"$share/g/b", 0}, {"b/#", 2}, {"c", 0}, {"a/+", 0}};
    std::string bytes;
    wire::append_subscribe(bytes, packet, Version::v5);
    f.feed(bytes);
    const auto answer = f.next();
    REQUIRE(answer);
    const auto suback = wire::decode_subscribe_ack(answer->frame(), Version::v5);
    REQUIRE(suback);
    CHECK(suback->reasons ==
          std::vector<Reason>{Reason::granted_qos1, Reason::shared_subscriptions_not_supported,
                              Reason::granted_qos2, Reason::quota_exceeded, Reason::success});
    wire::Unsubscribe leave;
    leave.packet_id = 4;
    leave.filters = {"a/+", "never"};
    bytes.clear();
    wire::append_unsubscribe(bytes, leave, Version::v5);
    f.feed(bytes);
    const auto unsuback = f.next();
    REQUIRE(unsuback);
    CHECK(wire::decode_subscribe_ack(unsuback->frame(), Version::v5)->reasons ==
          std::vector<Reason>{Reason::success, Reason::no_subscription_existed});
  }

  TEST_CASE("a device counts as connected from its first message to the end of its session") {
    Presence* presence = nullptr;
    {
      Fixture f;
      presence = &f.presence;
      f.connect(Version::v5);
      CHECK_FALSE(presence->find("d1"));
      f.publish(Version::v5, 1);
      REQUIRE(presence->find("d1"));
      CHECK(presence->find("d1")->protocol == model::Protocol::mqtt5);
    }
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
