// Messages between clients: who gets what, in which form, and what bounds it.
#include "tests/actors/clients_fixture.hpp"

namespace spate::actors {
namespace {

using Payloads = std::vector<std::string>;

TEST_SUITE("actors.mqtt_deliveries") {
  TEST_CASE("a message reaches all who subscribed, at the lower of both QoS [MQTT-3.8.4-6]") {
    Clients all;
    auto& publisher = all.join();
    std::vector<Clients::Client*> takers;
    for (const Version version : {Version::v311, Version::v5}) {
      for (std::uint8_t qos = 0; qos <= 2; ++qos) {
        auto& taker = all.join(version);
        CHECK(taker.subscribe({{"a/+", qos}}) == std::vector<Reason>{static_cast<Reason>(qos)});
        takers.push_back(&taker);
      }
    }
    for (std::uint8_t sent = 0; sent <= 2; ++sent) {
      publisher.publish("a/b", "hello", sent, 5);
      for (std::size_t i = 0; i < takers.size(); ++i) {
        const auto heard = takers[i]->hear();
        REQUIRE(heard);
        CHECK(heard->topic == "a/b");
        CHECK(heard->payload == "hello");
        CHECK(heard->qos == std::min<std::size_t>(i % 3, sent));
        CHECK_FALSE(heard->retain);
        CHECK_FALSE(heard->dup);
        CHECK_FALSE(takers[i]->hear());
      }
    }
    CHECK(publisher.next_ack(PacketType::puback).reason == Reason::success);
    CHECK(publisher.next_ack(PacketType::pubrec).reason == Reason::success);
    publisher.publish("b", "nobody", 1, 6);
    all.commit();
    CHECK(publisher.next_ack(PacketType::puback).reason == Reason::no_matching_subscribers);
  }

  TEST_CASE("overlapping subscriptions bring one copy with all identifiers [MQTT5-3.3.4-3]") {
    Clients all;
    auto& publisher = all.join();
    auto& taker = all.join();
    taker.subscribe({{"a/#", 0}}, 7);
    taker.subscribe({{"a/b", 2}}, 8);
    taker.subscribe({{"+/b", 1}});
    publisher.publish("a/b", "once", 2, 1);
    auto heard = taker.hear();
    REQUIRE(heard);
    CHECK(heard->qos == 2);
    std::sort(heard->subscription_ids.begin(), heard->subscription_ids.end());
    CHECK(heard->subscription_ids == std::vector<std::uint32_t>{7, 8});
    CHECK_FALSE(taker.hear());
    taker.unsubscribe("a/b");
    taker.unsubscribe("a/#");
    taker.unsubscribe("+/b");
    publisher.publish("a/b", "no more");
    CHECK_FALSE(taker.hear());
  }

  TEST_CASE("No Local keeps a client's own messages from it, Retain As Published keeps the flag") {
    Clients all;
    auto& self = all.join();
    auto& other = all.join();
    wire::Subscription options{"x", 0};
    options.no_local = true;
    options.retain_as_published = true;
    self.subscribe({options});
    other.subscribe({options});
    wire::Publish packet;
    packet.topic = "x";
    packet.payload = "p";
    packet.retain = true;
    self.publish(packet);
    CHECK_FALSE(self.hear());
    CHECK(other.hear()->retain);
    other.publish(packet);
    CHECK(self.hear()->retain);
    self.subscribe({{"x", 0}}); // Takes its place: the flags are off now.
    self.publish(packet);
    CHECK_FALSE(self.hear()->retain);
  }

  TEST_CASE("properties travel unchanged and in order, the expiry counts down [MQTT5-3.3.2-17]") {
    Clients all;
    auto& publisher = all.join();
    auto& taker = all.join();
    auto& old = all.join(Version::v311);
    taker.subscribe({{"x", 1}});
    old.subscribe({{"x", 1}});
    wire::Publish packet;
    packet.topic = "x";
    packet.payload = "p";
    packet.content_type = "text/plain";
    packet.response_topic = "answers/here";
    packet.user_properties = {{"b", "1"}, {"a", "2"}, {"b", "3"}};
    packet.message_expiry_s = 100;
    publisher.publish(packet);
    const auto heard = taker.hear();
    REQUIRE(heard);
    CHECK(heard->content_type == "text/plain");
    CHECK(heard->response_topic == "answers/here");
    CHECK(heard->user_properties ==
          std::vector<std::pair<std::string, std::string>>{{"b", "1"}, {"a", "2"}, {"b", "3"}});
    CHECK(heard->expiry_s == 100);
    CHECK(old.hear()->payload == "p");
  }

  TEST_CASE("a shared subscription's messages go around its members") {
    Clients all;
    auto& publisher = all.join();
    std::vector<Clients::Client*> members;
    for (int i = 0; i < 3; ++i) {
      members.push_back(&all.join(i == 0 ? Version::v311 : Version::v5));
      members.back()->subscribe({{"$share/g/jobs/#", 0}});
    }
    auto& plain = all.join();
    plain.subscribe({{"jobs/#", 0}});
    for (int i = 0; i < 6; ++i) {
      publisher.publish("jobs/1", std::to_string(i));
    }
    std::size_t sum = 0;
    for (auto* member : members) {
      const std::size_t got = member->payloads().size();
      CHECK(got == 2);
      sum += got;
    }
    CHECK(sum == 6);
    CHECK(plain.payloads().size() == 6);
    all.leave(*members[1]);
    publisher.publish("jobs/1", "x");
    publisher.publish("jobs/1", "y");
    CHECK(members[0]->payloads().size() == 1);
    CHECK(members[2]->payloads().size() == 1);
  }

  TEST_CASE("QoS 1 and 2 keep to the client's Receive Maximum; what waits goes as it answers") {
    Clients all;
    auto& publisher = all.join();
    auto& taker = all.join(Version::v5, [](wire::Connect& c) { c.receive_maximum = 2; });
    taker.subscribe({{"x", 2}});
    for (std::uint16_t i = 0; i < 4; ++i) {
      publisher.publish("x", std::to_string(i), i % 2 == 0 ? 1 : 2,
                        static_cast<std::uint16_t>(i + 1));
    }
    const auto first = taker.hear();
    const auto second = taker.hear();
    REQUIRE((first && second));
    CHECK(first->payload == "0");
    CHECK(second->payload == "1");
    CHECK_FALSE(taker.hear());
    taker.ack(PacketType::puback, first->packet_id);
    const auto third = taker.hear();
    REQUIRE(third);
    CHECK(third->payload == "2");
    taker.ack(PacketType::pubrec, second->packet_id);
    CHECK(taker.next_ack(PacketType::pubrel).packet_id == second->packet_id);
    CHECK_FALSE(taker.hear()); // It still holds its place.
    taker.ack(PacketType::pubcomp, second->packet_id);
    CHECK(taker.hear()->payload == "3");
  }

  TEST_CASE("a client that does not read or answer costs a bounded amount, and that is counted") {
    Clients all({.queue_messages_max = 3, .queue_bytes_max = 100, .unsent_bytes_max = 1000});
    auto& publisher = all.join();
    auto& taker = all.join(Version::v5, [](wire::Connect& c) { c.receive_maximum = 1; });
    taker.subscribe({{"x", 1}});
    for (int i = 0; i < 8; ++i) {
      publisher.publish("x", std::to_string(i), 1, static_cast<std::uint16_t>(i + 1));
    }
    CHECK(all.context.counters.dropped_full.get() == 4);
    publisher.publish("x", std::string(200, 'x'), 1, 20);
    CHECK(all.context.counters.dropped_full.get() == 5);
    taker.port.unsent = 1001;
    publisher.publish("x", "slow");
    CHECK(all.context.counters.dropped_slow.get() == 1);
    taker.port.unsent = 1000;
    publisher.publish("x", "goes");
    Payloads got = taker.payloads();
    CHECK(got == Payloads{"0", "goes"});
  }

  TEST_CASE("a message larger than the client takes is not sent [MQTT5-3.1.2-25]") {
    Clients all;
    auto& publisher = all.join();
    auto& taker = all.join(Version::v5, [](wire::Connect& c) { c.packet_bytes_max = 60; });
    taker.subscribe({{"x", 1}});
    publisher.publish("x", std::string(100, 'a'));
    publisher.publish("x", std::string(100, 'a'), 1, 1);
    publisher.publish("x", "small", 1, 2);
    CHECK(taker.payloads() == Payloads{"small"});
    CHECK(all.context.counters.dropped_large.get() == 2);
  }

  TEST_CASE("topics get aliases up to the client's maximum [MQTT5-3.1.2-26]") {
    Clients all;
    auto& publisher = all.join();
    auto& taker = all.join(Version::v5, [](wire::Connect& c) { c.topic_alias_maximum = 1; });
    taker.subscribe({{"#", 0}});
    publisher.publish("a/long/topic", "1");
    publisher.publish("a/long/topic", "2");
    publisher.publish("another/topic", "3");
    publisher.publish("short", "4");
    auto heard = taker.hear();
    CHECK(heard->topic == "a/long/topic");
    CHECK(heard->alias == 1);
    heard = taker.hear();
    CHECK(heard->topic.empty());
    CHECK(heard->alias == 1);
    heard = taker.hear();
    CHECK(heard->topic == "another/topic");
    CHECK(heard->alias == 0);
    CHECK(taker.hear()->topic == "short");
  }

  TEST_CASE("telemetry reaches subscribers and the store") {
    Clients all;
    auto& device = all.join();
    auto& taker = all.join();
    taker.subscribe({{"devices/+/telemetry", 1}});
    device.publish("devices/d1/telemetry", R"({"temp":20.5})", 1, 3);
    CHECK(taker.hear()->payload == R"({"temp":20.5})");
    CHECK_FALSE(Fixture::take(device.port.out)); // The PUBACK waits for the commit.
    all.commit();
    CHECK(device.next_ack(PacketType::puback).packet_id == 3);
    CHECK(all.writer.ledger().snapshot().stored == 1);
  }

  TEST_CASE("a will is published if the connection ends without DISCONNECT [MQTT-3.1.2-8]") {
    Clients all;
    auto& taker = all.join();
    taker.subscribe({{"wills", 1}});
    const auto with_will = [](wire::Connect& c) {
      c.will = wire::Will{};
      c.will->topic = "wills";
      c.will->payload = "gone";
      c.will->qos = 1;
      c.will->content_type = "text/plain";
    };
    auto& cut = all.join(Version::v5, with_will);
    all.leave(cut);
    const auto heard = taker.hear();
    REQUIRE(heard);
    CHECK(heard->payload == "gone");
    CHECK(heard->content_type == "text/plain");
    auto& polite = all.join(Version::v5, with_will);
    polite.disconnect();
    all.leave(polite);
    CHECK_FALSE(taker.hear());
    auto& asks = all.join(Version::v5, with_will);
    asks.disconnect(Reason::disconnect_with_will);
    CHECK(taker.hear()); // Before its socket has taken our last words,
    all.leave(asks);
    CHECK_FALSE(taker.hear()); // and once.
    auto& fails = all.join(Version::v5, with_will);
    fails.disconnect(Reason::unspecified_error); // Only "normal" takes it away [MQTT5-3.14.4-3].
    all.leave(fails);
    CHECK(taker.hear());
    auto& bad = all.join(Version::v5, with_will);
    bad.feed(std::string("\x00\x00", 2)); // Refused: the server closes [MQTT-3.1.2-8].
    CHECK(taker.hear());
    all.leave(bad);
    CHECK_FALSE(taker.hear());
    auto& replaced = all.join(Version::v5, with_will);
    replaced.session->on_taken_over();
    CHECK(taker.hear()); // [MQTT-3.1.4-3]
    all.leave(replaced);
    CHECK_FALSE(taker.hear());
    Clients::Client& refused = all.begin(Version::v5, [&](wire::Connect& c) {
      with_will(c);
      c.packet_bytes_max = 4; // No CONNACK is as small.
    });
    all.leave(refused);
    CHECK_FALSE(taker.hear());
  }
}

} // namespace
} // namespace spate::actors
