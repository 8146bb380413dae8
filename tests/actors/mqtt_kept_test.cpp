// Sessions that outlive their connection, retained messages, and what waits for the disk.
#include "tests/actors/clients_fixture.hpp"

namespace spate::actors {
namespace {

using Payloads = std::vector<std::string>;
using storage::SessionStatus;

struct Keeping {
  Clients all;
  explicit Keeping(SessionLimits limits = {}) : all(limits, true) {}
  void answer() {
    // What an answer leads to may ask again.
    while (!all.kept.asked().empty()) {
      all.kept.answer();
    }
  }
};

/// SUBSCRIBE whose SUBACK waits for the store.
void ask(Clients::Client& client, std::vector<wire::Subscription> what) {
  wire::Subscribe packet;
  packet.packet_id = 9;
  packet.subscriptions = std::move(what);
  std::string bytes;
  wire::append_subscribe(bytes, packet, client.version);
  client.feed(bytes);
}
void subscribe(Keeping& f, Clients::Client& client, std::vector<wire::Subscription> what) {
  ask(client, std::move(what));
  CHECK(client.port.out.empty()); // Not before it is durable.
  f.answer();
  REQUIRE(Fixture::take(client.port.out)->type == PacketType::suback);
}

/// Session "c", connected and subscribed.
Clients::Client& join_subscribed(Keeping& f, std::vector<wire::Subscription> what) {
  auto& client = f.all.join_kept("c");
  Clients::connack(client);
  subscribe(f, client, std::move(what));
  return client;
}
/// The same, and its connection is gone again.
void leave_subscribed(Keeping& f, std::vector<wire::Subscription> what) {
  f.all.leave(join_subscribed(f, std::move(what)));
  f.answer();
}

TEST_SUITE("actors.mqtt_kept") {
  TEST_CASE("CONNACK waits for the store and says whether a session is present [MQTT-3.2.2-2]") {
    for (const Version version : {Version::v311, Version::v5}) {
      Keeping f;
      auto& first = f.all.begin_kept("c", version);
      CHECK(first.port.out.empty());
      CHECK(first.port.paused);
      f.answer();
      CHECK_FALSE(Clients::connack(first).session_present);
      CHECK_FALSE(first.port.paused);
      f.all.leave(first);
      auto& second = f.all.join_kept("c", version);
      CHECK(Clients::connack(second).session_present);
      f.all.leave(second);
      auto& clean = f.all.begin(version, [](wire::Connect& c) { c.client_id = "c"; });
      f.answer();
      CHECK_FALSE(Clients::connack(clean).session_present); // [MQTT-3.1.2-6]
      f.all.leave(clean);
      auto& fresh = f.all.join_kept("c", version);
      CHECK_FALSE(Clients::connack(fresh).session_present);
    }
  }

  TEST_CASE("a client whose session is not kept does not wait") {
    Keeping f;
    auto& client = f.all.begin(Version::v5);
    CHECK(Clients::connack(client).reason == Reason::success);
    CHECK(f.all.kept.asked().empty());
  }

  TEST_CASE("a session that can not be opened is refused with the reason") {
    Keeping f;
    auto& down = f.all.begin_kept("c");
    f.all.kept.answer(SessionStatus::unavailable);
    CHECK(Clients::connack(down).reason == Reason::server_unavailable);
    CHECK(down.port.closed);
    auto& many = f.all.begin_kept("d");
    f.all.kept.answer(SessionStatus::full);
    CHECK(Clients::connack(many).reason == Reason::quota_exceeded);
    f.all.kept.full = true;
    auto& busy = f.all.begin_kept("e");
    f.all.door.hand_over();
    CHECK(Clients::connack(busy).reason == Reason::server_busy);
    f.all.kept.full = false;
  }

  TEST_CASE("a longer Session Expiry than we grant is told [MQTT5-3.2.2.3.2]") {
    Keeping f({.session_expiry_s_max = 60});
    auto& client = f.all.join_kept("c");
    CHECK(Clients::connack(client).session_expiry_s == 60);
    CHECK(f.all.kept.sessions.begin()->second.expiry_s == 60);
  }

  TEST_CASE("messages for a session without a connection come with the next one, in order") {
    Keeping f;
    auto& publisher = f.all.join();
    leave_subscribed(f, {{"x", 2}});
    for (std::uint16_t i = 1; i <= 3; ++i) {
      publisher.publish("x", std::to_string(i), i == 3 ? 2 : 1, i);
    }
    publisher.publish("x", "not kept", 0);
    CHECK(publisher.port.out.empty()); // PUBACK waits for the queue of the other.
    f.answer();
    CHECK(publisher.next_ack(PacketType::puback).packet_id == 1);
    CHECK(publisher.next_ack(PacketType::puback).packet_id == 2);
    CHECK(publisher.next_ack(PacketType::pubrec).packet_id == 3);
    auto& again = f.all.join_kept("c");
    f.answer();
    CHECK(Clients::connack(again).session_present);
    const auto first = again.hear();
    REQUIRE(first);
    CHECK(first->payload == "1");
    CHECK_FALSE(first->dup); // It was never sent [MQTT-3.3.1-1].
    CHECK(again.payloads() == Payloads{"2", "3"});
  }

  TEST_CASE("what was sent and not answered comes again with DUP and its id [MQTT-4.4.0-1]") {
    Keeping f;
    auto& publisher = f.all.join();
    auto& taker = join_subscribed(f, {{"x", 1}});
    publisher.publish("x", "1", 1, 1);
    publisher.publish("x", "2", 1, 2);
    f.answer();
    const auto one = taker.hear();
    const auto two = taker.hear();
    REQUIRE((one && two));
    taker.ack(PacketType::puback, one->packet_id);
    f.answer();
    f.all.leave(taker);
    f.answer();
    auto& again = f.all.join_kept("c");
    Clients::connack(again);
    f.answer();
    const auto repeated = again.hear();
    REQUIRE(repeated);
    CHECK(repeated->payload == "2");
    CHECK(repeated->dup);
    CHECK(repeated->packet_id == two->packet_id);
    CHECK_FALSE(again.hear());
    again.ack(PacketType::puback, repeated->packet_id);
    f.answer();
    CHECK(f.all.kept.sessions.begin()->second.queue.empty());
  }

  TEST_CASE("DUP is set on all pages of what was sent before, and on nothing else [MQTT-3.3.1-1]") {
    Keeping f;
    auto& publisher = f.all.join();
    auto& taker = join_subscribed(f, {{"x", 1}});
    for (std::uint16_t i = 1; i <= 250; ++i) {
      publisher.publish("x", std::to_string(i), 1, i);
      f.answer();
    }
    CHECK(taker.payloads().size() == 250);
    f.all.leave(taker);
    f.answer();
    publisher.publish("x", "251", 1, 251);
    f.answer();
    auto& again = f.all.join_kept("c");
    Clients::connack(again);
    f.answer();
    for (int i = 1; i <= 251; ++i) {
      const auto heard = again.hear();
      REQUIRE(heard);
      CHECK(heard->payload == std::to_string(i));
      CHECK(heard->dup == (i <= 250));
    }
  }

  TEST_CASE("QoS 2 to a kept session: PUBREL waits for the disk, and comes first after a return") {
    Keeping f;
    auto& publisher = f.all.join();
    auto& taker = join_subscribed(f, {{"x", 2}});
    publisher.publish("x", "1", 2, 1);
    publisher.publish("x", "2", 2, 2);
    f.answer();
    const auto one = taker.hear();
    taker.hear();
    taker.ack(PacketType::pubrec, one->packet_id);
    CHECK(taker.port.out.empty());
    f.answer();
    CHECK(taker.next_ack(PacketType::pubrel).packet_id == one->packet_id);
    f.all.leave(taker);
    f.answer();
    auto& again = f.all.join_kept("c");
    Clients::connack(again);
    f.answer();
    CHECK(again.next_ack(PacketType::pubrel).packet_id == one->packet_id);
    const auto two = again.hear();
    REQUIRE(two);
    CHECK(two->payload == "2");
    CHECK(two->dup);
    again.ack(PacketType::pubcomp, one->packet_id);
    again.ack(PacketType::pubrec, two->packet_id);
    f.answer();
    again.ack(PacketType::pubcomp, two->packet_id);
    f.answer();
    CHECK(f.all.kept.sessions.begin()->second.queue.empty());
  }

  TEST_CASE("a QoS 2 PUBLISH of a kept session is known again over connections [MQTT-4.3.3-2]") {
    Keeping f;
    auto& taker = f.all.join();
    taker.subscribe({{"x", 0}});
    auto& sender = f.all.join_kept("c", Version::v311);
    Clients::connack(sender);
    sender.publish("x", "once", 2, 7);
    CHECK(sender.port.out.empty());
    f.answer();
    sender.next_ack(PacketType::pubrec);
    f.all.leave(sender);
    f.answer();
    auto& again = f.all.join_kept("c", Version::v311);
    Clients::connack(again);
    f.answer();
    again.publish("x", "once", 2, 7);
    again.next_ack(PacketType::pubrec);
    CHECK(taker.payloads() == Payloads{"once"});
    again.ack(PacketType::pubrel, 7);
    CHECK(again.port.out.empty()); // The id may be used again only once that is durable.
    f.answer();
    again.next_ack(PacketType::pubcomp);
    again.publish("x", "another", 2, 7);
    f.answer();
    again.next_ack(PacketType::pubrec);
    CHECK(taker.payloads() == Payloads{"another"});
  }

  TEST_CASE("a long queue comes page by page within the Receive Maximum, nothing twice") {
    Keeping f;
    auto& publisher = f.all.join();
    leave_subscribed(f, {{"x", 1}});
    constexpr int kMessages = 450;
    for (int i = 0; i < kMessages; ++i) {
      publisher.publish("x", std::to_string(i), 1, static_cast<std::uint16_t>(i + 1));
    }
    f.answer();
    auto& again = f.all.join_kept("c", Version::v5, [](auto& c) { c.receive_maximum = 7; });
    Clients::connack(again);
    int next = 0;
    int late = 0;
    for (int round = 0; round < 1000 && next < kMessages + 20; ++round) {
      std::vector<std::uint16_t> ids;
      while (const auto heard = again.hear()) {
        CHECK(heard->payload == std::to_string(next++));
        ids.push_back(heard->packet_id);
      }
      CHECK(ids.size() <= 7);
      if (round % 10 == 0 && late < 20) { // More come meanwhile.
        publisher.publish("x", std::to_string(kMessages + late), 1,
                          static_cast<std::uint16_t>(kMessages + late + 1));
        ++late;
      }
      for (const std::uint16_t id : ids) {
        again.ack(PacketType::puback, id);
      }
      f.answer();
    }
    CHECK(next == kMessages + 20);
    CHECK(f.all.kept.sessions.begin()->second.queue.empty());
  }

  TEST_CASE("what comes between the page and the CONNACK is not lost") {
    Keeping f;
    auto& publisher = f.all.join();
    leave_subscribed(f, {{"x", 1}});
    auto& again = f.all.begin_kept("c");
    publisher.publish("x", "with the opening", 1, 1); // Same group, told while nobody is there.
    f.answer();
    Clients::connack(again);
    CHECK(again.payloads() == Payloads{"with the opening"});
  }

  TEST_CASE("retained messages come after the SUBACK, by handling and once for each filter") {
    Keeping f;
    auto& publisher = f.all.join();
    wire::Publish packet;
    packet.retain = true;
    packet.payload = "r";
    for (const char* topic : {"a/1", "a/2", "a/3", "b/1"}) {
      packet.topic = topic;
      packet.qos = 1;
      packet.packet_id = 1;
      publisher.publish(packet);
      CHECK(publisher.port.out.empty()); // It is acknowledged when it is retained.
      f.answer();
      publisher.next_ack(PacketType::puback);
    }
    auto& taker = f.all.join();
    CHECK(taker.subscribe({{"a/+", 0}}, 5).size() == 1);
    CHECK_FALSE(taker.hear());
    f.answer();
    for (int i = 1; i <= 3; ++i) {
      const auto heard = taker.hear();
      REQUIRE(heard);
      CHECK(heard->topic == "a/" + std::to_string(i));
      CHECK(heard->retain); // [MQTT-3.3.1-8]
      CHECK(heard->qos == 0);
      CHECK(heard->subscription_ids == std::vector<std::uint32_t>{5});
    }
    CHECK_FALSE(taker.hear());
    const auto asks_for = [&](std::string_view filter, std::uint8_t handling) {
      wire::Subscription each{filter, 0};
      each.retain_handling = handling;
      taker.subscribe({each});
      f.answer();
      return taker.payloads().size();
    };
    CHECK(asks_for("a/+", 1) == 0); // It is not new.
    CHECK(asks_for("b/+", 1) == 1);
    CHECK(asks_for("a/+", 2) == 0);
    CHECK(asks_for("a/+", 0) == 3);
    CHECK(asks_for("$share/g/a/+", 0) == 0);
    packet.payload = {};
    packet.topic = "a/2";
    packet.qos = 0;
    packet.packet_id = 0;
    publisher.publish(packet);
    f.answer();
    taker.payloads();
    CHECK(asks_for("a/+", 0) == 2); // [MQTT-3.3.1-10]
  }

  TEST_CASE("what is published meanwhile, and what the client sends, comes behind the retained") {
    Keeping f({.queue_messages_max = 2});
    auto& publisher = f.all.join();
    wire::Publish packet;
    packet.topic = "a";
    packet.payload = "old";
    packet.retain = true;
    publisher.publish(packet);
    f.answer();
    auto& taker = f.all.join();
    taker.subscribe({{"a", 0}});
    packet.retain = false;
    for (const char* payload : {"new", "newer", "one too many"}) {
      packet.payload = payload;
      publisher.publish(packet);
    }
    CHECK(f.all.context.counters.dropped_full.get() == 1);
    CHECK(taker.port.paused);
    CHECK(taker.port.out.empty());
    f.answer();
    CHECK(taker.payloads() == Payloads{"old", "new", "newer"});
    CHECK_FALSE(taker.port.paused);
    packet.payload = "last";
    publisher.publish(packet);
    CHECK(taker.payloads() == Payloads{"last"});
  }

  TEST_CASE("retained messages at QoS 1 reach a kept session through its queue") {
    Keeping f;
    auto& publisher = f.all.join();
    wire::Publish packet;
    packet.topic = "a";
    packet.payload = "r";
    packet.retain = true;
    packet.qos = 1;
    packet.packet_id = 1;
    publisher.publish(packet);
    f.answer();
    auto& taker = join_subscribed(f, {{"a", 1}});
    f.answer();
    const auto heard = taker.hear();
    REQUIRE(heard);
    CHECK(heard->retain);
    CHECK(heard->qos == 1);
    CHECK(f.all.kept.retained.at("a")->payload == "r");
    taker.ack(PacketType::puback, heard->packet_id);
    f.answer();
    CHECK(f.all.kept.sessions.begin()->second.queue.empty());
  }

  TEST_CASE("a kept session gets retained messages before newer ones, whoever writes first") {
    Keeping f;
    auto& publisher = f.all.join();
    wire::Publish packet;
    packet.payload = "old";
    packet.retain = true;
    packet.qos = 1;
    packet.packet_id = 1;
    for (const char* topic : {"a/1", "a/2", "a/3"}) {
      packet.topic = topic;
      publisher.publish(packet);
      f.answer();
    }
    auto& taker = join_subscribed(f, {{"b", 1}});
    ask(taker, {{"a/#", 1}});
    publisher.publish("b", "other filter", 1, 2);
    f.all.kept.answer(); // Written and in the index, nothing retained is read yet.
    REQUIRE(Fixture::take(taker.port.out)->type == PacketType::suback);
    CHECK(taker.port.paused);
    publisher.publish("a/1", "new", 1, 3);
    f.all.kept.answer(); // The first page and the newer message, in one group.
    CHECK_FALSE(taker.hear());
    publisher.publish("a/2", "newer", 1, 4);
    f.answer();
    CHECK(taker.payloads() == Payloads{"old", "old", "old", "other filter", "new", "newer"});
    CHECK_FALSE(taker.port.paused);
    publisher.publish("a/3", "last", 1, 5);
    f.answer();
    CHECK(taker.payloads() == Payloads{"last"});
  }

  TEST_CASE("a subscription that was written before the connection went is in the index") {
    Keeping f;
    auto& publisher = f.all.join();
    auto& taker = f.all.join_kept("c");
    Clients::connack(taker);
    ask(taker, {{"x", 1}});
    f.all.leave(taker); // Its SUBACK was never sent.
    f.answer();
    publisher.publish("x", "1", 1, 1);
    f.answer();
    auto& again = f.all.join_kept("c");
    Clients::connack(again);
    f.answer();
    CHECK(again.payloads() == Payloads{"1"});
  }

  TEST_CASE("a publisher hears that what depends on the disk could not be kept") {
    Keeping f;
    join_subscribed(f, {{"x", 1}});
    auto& five = f.all.join();
    five.publish("x", "1", 1, 1);
    f.all.kept.answer(SessionStatus::disk_full);
    CHECK(five.next_ack(PacketType::puback).reason == Reason::quota_exceeded);
    f.all.kept.full = true;
    five.publish("x", "2", 1, 2);
    CHECK(five.port.out.empty());
    f.all.door.hand_over();
    CHECK(five.next_ack(PacketType::puback).reason == Reason::quota_exceeded);
    f.all.kept.full = false;
    five.publish("x", "3", 1, 3);
    f.all.kept.answer(SessionStatus::unavailable);
    CHECK(five.port.closed);
    auto& old = f.all.join(Version::v311);
    old.publish("x", "4", 1, 4);
    f.all.kept.answer(SessionStatus::disk_full);
    CHECK(old.port.closed); // 3.1.1 has no word for it.
  }

  TEST_CASE("the will of a kept session is the store's, and goes with a DISCONNECT") {
    Keeping f;
    const auto with_will = [](wire::Connect& c) {
      c.will = wire::Will{};
      c.will->topic = "wills";
      c.will->payload = "gone";
      c.will->delay_s = 30;
    };
    auto& cut = f.all.join_kept("c", Version::v5, with_will);
    Clients::connack(cut);
    f.all.leave(cut);
    f.answer();
    auto& session = f.all.kept.sessions.begin()->second;
    REQUIRE(session.will);
    CHECK(session.will->delay_s == 30);
    CHECK_FALSE(session.connected);
    auto& polite = f.all.join_kept("c", Version::v5, with_will);
    Clients::connack(polite);
    polite.disconnect();
    f.answer();
    CHECK_FALSE(session.will);
  }

  TEST_CASE("a session that ends takes its subscriptions and publishes its will") {
    Keeping f;
    auto& watcher = f.all.join();
    watcher.subscribe({{"wills", 0}});
    auto& client = f.all.join_kept("c", Version::v5, [](wire::Connect& c) {
      c.will = wire::Will{};
      c.will->topic = "wills";
      c.will->payload = "ended";
    });
    Clients::connack(client);
    subscribe(f, client, {{"x", 1}});
    wire::Disconnect packet;
    packet.reason = Reason::disconnect_with_will;
    packet.session_expiry_s = 0;
    std::string bytes;
    wire::append_disconnect(bytes, packet, Version::v5);
    client.feed(bytes);
    f.answer();
    CHECK(f.all.kept.sessions.empty());
    CHECK(watcher.payloads() == Payloads{"ended"});
    Matches matches;
    f.all.messages.match("x", nullptr, matches);
    CHECK(matches.empty());
  }

  TEST_CASE("a connection that is gone before its session is open leaves it disconnected") {
    Keeping f;
    auto& client = f.all.begin_kept("c");
    f.all.leave(client);
    f.answer();
    REQUIRE(f.all.kept.sessions.size() == 1);
    CHECK_FALSE(f.all.kept.sessions.begin()->second.connected);
  }

  TEST_CASE("who takes a client id over waits until the old connection has told the store") {
    Keeping f;
    auto& old = f.all.join_kept("c");
    Clients::connack(old);
    auto& next = f.all.begin_kept("c", Version::v5, [](auto&) {});
    f.answer();
    Clients::connack(next);
    old.session->on_taken_over();
    CHECK(old.port.closed);
    CHECK(f.all.kept.asked().size() == 1);
    CHECK(std::holds_alternative<storage::SessionClosing>(f.all.kept.asked().front().second));
    f.all.leave(old);
    CHECK(f.all.kept.asked().size() == 1); // Once.
  }
}

} // namespace
} // namespace spate::actors
