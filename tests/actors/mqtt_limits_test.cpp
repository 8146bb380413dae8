#include "tests/actors/session_fixture.hpp"

namespace spate::actors {
namespace {

TEST_SUITE("actors.mqtt_limits") {
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
    f.session.on_timer(accepted_ms + f.context.limits.connect_timeout_ms);
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
    CHECK(f.context.counters.connects.get() == 0);
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

  TEST_CASE("subscriptions are answered one by one, within the limit") {
    Fixture f({.subscriptions_max = 2});
    f.connect(Version::v5);
    f.connack(Version::v5);
    wire::Subscribe packet;
    packet.packet_id = 3;
    packet.subscriptions = {{"a/+", 1}, {"$share/g/b", 0}, {"a/+", 0}, {"b/#", 2}, {"a/+", 2}};
    std::string bytes;
    wire::append_subscribe(bytes, packet, Version::v5);
    f.feed(bytes);
    const auto answer = f.next();
    REQUIRE(answer);
    const auto suback = wire::decode_subscribe_ack(answer->frame(), Version::v5);
    REQUIRE(suback);
    CHECK(suback->reasons == std::vector<Reason>{Reason::granted_qos1, Reason::success,
                                                 Reason::success, Reason::quota_exceeded,
                                                 Reason::granted_qos2});
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
}

} // namespace
} // namespace spate::actors
