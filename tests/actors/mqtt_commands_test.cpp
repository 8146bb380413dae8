#include "actors/mqtt_commands.hpp"

#include <algorithm>

#include "tests/actors/command_fixture.hpp"

namespace spate::actors {
namespace {

TEST_SUITE("actors.mqtt_commands.subscribe") {
  TEST_CASE("a filter that spells the device out makes the session that device's") {
    for (const Version version : {Version::v311, Version::v5}) {
      CommandFixture f(version);
      CHECK(f.subscribe({"devices/d1/commands/#"}) == std::vector<Reason>{Reason::granted_qos1});
      REQUIRE(f.router().ready.size() == 1);
      const DeviceReady& ready = f.router().ready[0];
      CHECK(ready.device == "d1");
      CHECK(ready.filters == std::vector<std::string>{"devices/d1/commands/#"});
      CHECK_FALSE(ready.numbered);
      CHECK(ready.with_id == (version == Version::v311));
      CHECK(ready.in_flight_max == kUnackedCommandsMax);
      CHECK(f.router().flushes == 1); // So that no command overtakes the CONNACK.
    }
  }

  TEST_CASE("a wildcard in the device's place observes, and is never told to the router") {
    CommandFixture f;
    f.subscribe({"devices/+/commands/#", "#", "devices/#"});
    CHECK(f.router().ready.empty());
    f.session.on_closed();
    CHECK(f.router().gone.empty());
  }

  TEST_CASE("a subscriber to commands counts as seen, durably and once") {
    CommandFixture f;
    f.feed_subscribe({"devices/d1/commands/+", "devices/d1/commands/+/+"});
    f.feed_subscribe({"devices/d1/commands/#"});
    CHECK_FALSE(f.next()); // Whoever has a SUBACK is known.
    f.writer.hand_over();
    REQUIRE(f.store.waiting.size() == 1);
    const model::TelemetryBlock& block = *f.store.waiting[0];
    REQUIRE(block.messages.size() == 1);
    CHECK(block.messages[0].seen);
    CHECK(block.messages[0].rows == 0);
    CHECK(block.name(block.messages[0]) == "d1");
    CHECK(f.presence.find("d1"));
    f.commit();
    CHECK_FALSE(f.port.closed);
    for (int i = 0; i < 2; ++i) {
      const auto suback = f.next();
      REQUIRE(suback);
      CHECK(suback->type == PacketType::suback);
    }
    CHECK_FALSE(f.next());
    CHECK(f.writer.ledger().snapshot().imbalance() == 0);
  }

  TEST_CASE("a subscriber that can not be made known is sent away to subscribe again") {
    CommandFixture f;
    f.feed_subscribe({"devices/d1/commands/+"});
    f.commit(model::CommitStatus::unavailable);
    CHECK(f.goodbye().reason == Reason::implementation_specific_error);
    CHECK(f.router().gone.size() == 1);

    CommandFixture publishes;
    publishes.publish(Version::v5, 1);
    publishes.commit();
    publishes.next();
    publishes.feed_subscribe({"devices/d1/commands/+"});
    publishes.commit(model::CommitStatus::unavailable);
    CHECK(publishes.port.closed);
  }

  TEST_CASE("SUBACKs that wait for the store are bounded") {
    CommandFixture f;
    for (int i = 0; i < 20'000 && !f.port.closed; ++i) {
      f.feed_subscribe({"devices/d1/commands/+"});
    }
    CHECK(f.goodbye().reason == Reason::quota_exceeded);
  }

  TEST_CASE("a filter of QoS 0 is granted but takes no commands") {
    CommandFixture f;
    CHECK(f.subscribe({"devices/d1/commands/#"}, 0) == std::vector<Reason>{Reason::success});
    REQUIRE(f.router().ready.size() == 1);
    CHECK(f.router().ready[0].filters.empty());
    f.subscribe({"devices/d1/commands/#"}, 2);
    CHECK(f.router().ready[1].filters.size() == 1);
    f.subscribe({"devices/d1/commands/#"}, 0);
    CHECK(f.router().ready[2].filters.empty());
  }

  TEST_CASE("a device's filters are told anew with each change, until it has none") {
    CommandFixture f;
    f.subscribe(
        {"devices/d1/commands/reboot", "devices/d1/commands/blink", "devices/d2/commands/#"});
    REQUIRE(f.router().ready.size() == 2);
    CHECK(f.router().ready[0].filters.size() == 2);
    f.unsubscribe("devices/d1/commands/reboot");
    REQUIRE(f.router().ready.size() == 3);
    CHECK(f.router().ready[2].device == "d1");
    CHECK(f.router().ready[2].filters == std::vector<std::string>{"devices/d1/commands/blink"});
    f.unsubscribe("devices/d1/commands/never");
    CHECK(f.router().ready.size() == 3);
    f.unsubscribe("devices/d1/commands/blink");
    CHECK(f.router().ready[3].filters.empty());
    CHECK_FALSE(f.presence.find("d1"));
    f.session.on_closed();
    REQUIRE(f.router().gone.size() == 1);
    CHECK(f.router().gone[0].devices == std::vector<std::string>{"d2"});
    CHECK(f.router().gone[0].target == CommandTarget{5, 3, 9});
  }

  TEST_CASE("a gateway is the device of all that it subscribed for, within the limits") {
    CommandFixture f(Version::v5, {.subscriptions_max = 100});
    for (int i = 0; i < 100; ++i) {
      CHECK(f.subscribe({"devices/g" + std::to_string(i) + "/commands/#"})[0] ==
            Reason::granted_qos1);
    }
    CHECK(f.subscribe({"devices/one-more/commands/#"})[0] == Reason::quota_exceeded);
    CHECK(f.router().ready.size() == 100);
    f.session.on_closed();
    CHECK(f.router().gone[0].devices.size() == 100);
  }

  TEST_CASE("filters of one device are bounded, and very long ones match no command") {
    CommandFixture f(Version::v5, {.subscriptions_max = 1000});
    for (std::size_t i = 0; i < kCommandFiltersMax; ++i) {
      f.subscribe({"devices/d1/commands/c" + std::to_string(i)});
    }
    CHECK(f.subscribe({"devices/d1/commands/more"})[0] == Reason::quota_exceeded);
    CHECK(f.subscribe({"devices/d1/commands/c0"})[0] == Reason::granted_qos1);
    const std::size_t told = f.router().ready.size();
    f.subscribe({"devices/d2/commands/" + std::string(1000, 'x')});
    CHECK(f.router().ready.size() == told);
  }

  TEST_CASE("without a router nobody is a device") {
    CommandFixture f;
    f.port.has_router = false;
    CHECK(f.subscribe({"devices/d1/commands/#"})[0] == Reason::granted_qos1);
    f.answer(1, CommandFixture::topic(1), "1");
    f.commit();
    CHECK(f.rejected(model::RejectReason::no_route) == 1);
    f.session.on_deliver(f.command(1));
    f.session.on_closed();
    CHECK(f.router().ready.empty());
    CHECK(f.router().sent.empty());
    CHECK(f.router().gone.empty());
  }

  TEST_CASE("however a session ends, the router hears it once and last") {
    for (const int how : {0, 1, 2, 3}) {
      CAPTURE(how);
      CommandFixture f;
      f.subscribe({"devices/d1/commands/#"});
      f.session.on_deliver(f.command(1));
      switch (how) {
      case 0:
        f.session.on_taken_over();
        break;
      case 1: {
        std::string bytes;
        wire::append_disconnect(bytes, {}, Version::v5);
        f.feed(bytes);
        break;
      }
      case 2:
        f.feed(std::string("\xf1\x00", 2)); // No packet.
        break;
      default:
        break;
      }
      f.session.on_closed();
      REQUIRE(f.router().gone.size() == 1);
      CHECK(f.router().gone[0].devices == std::vector<std::string>{"d1"});
      const std::size_t bytes = f.router().first.size();
      f.session.on_deliver(f.command(2)); // It crossed the end on its way.
      f.session.on_forget({command_id(1)});
      f.session.on_settle({1, SettleAnswer::Verdict::taken});
      f.session.on_timer(f.loop.now_ms() + 1'000'000);
      CHECK(f.router().first.size() == bytes);
      CHECK(f.router().sent.size() == 1);
    }
  }
}

TEST_SUITE("actors.mqtt_commands.deliver") {
  TEST_CASE("a 5.0 client gets topic, response topic, correlation data and expiry") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    model::Command command = f.command(1, "d1", R"({"s":3})");
    command.expires_ms = f.wall_ms + 1'001;
    f.session.on_deliver(command);
    const wire::Publish publish = f.sent();
    CHECK(publish.topic == "devices/d1/commands/reboot");
    CHECK(publish.response_topic == CommandFixture::topic(1));
    CHECK(publish.correlation_data == text_of(command_id(1)));
    CHECK(publish.message_expiry_s == 2u);
    CHECK(publish.content_type == "application/json");
    CHECK(publish.payload == R"({"s":3})");
    CHECK(publish.qos == 1);
    CHECK(publish.packet_id != 0);
    REQUIRE(f.router().sent.size() == 1);
    CHECK(f.router().sent[0].sent);
    CHECK(f.router().sent[0].device == "d1");
    CHECK(f.router().sent[0].id == command_id(1));
    CHECK(f.router().sent[0].at_ms == f.wall_ms);
    CHECK_FALSE(f.next()); // All of it went first.
  }

  TEST_CASE("a 3.1.1 client finds the command's id in the topic") {
    CommandFixture f(Version::v311);
    f.subscribe({"devices/d1/commands/+/+"});
    f.session.on_deliver(f.command(1, "d1", ""));
    const wire::Publish publish = f.sent();
    CHECK(publish.topic == "devices/d1/commands/reboot/" + text_of(command_id(1)));
    CHECK(publish.payload.empty());
  }

  TEST_CASE("a PUBACK says that the command was delivered") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    f.session.on_deliver(f.command(1));
    const std::uint16_t packet_id = f.sent().packet_id;
    f.wall_ms += 30;
    f.puback(packet_id);
    REQUIRE(f.router().delivered.size() == 1);
    CHECK(f.router().delivered[0].device == "d1");
    CHECK(f.router().delivered[0].id == command_id(1));
    CHECK(f.router().delivered[0].at_ms == f.wall_ms);
    CHECK(f.router().delivered[0].refused.empty());
    CHECK(f.context.counters.commands_sent.get() == 1);
    CHECK(f.context.counters.commands_delivered.get() == 1);
    f.puback(packet_id); // Again.
    CHECK(f.router().delivered.size() == 1);
    CHECK(f.context.counters.unknown_acks.get() == 1);
    CHECK_FALSE(f.port.closed);
  }

  TEST_CASE("a PUBACK with a reason of 0x80 or above says that the client refused it") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    f.session.on_deliver(f.command(1));
    f.puback(f.sent().packet_id, Reason::not_authorized, "not now");
    REQUIRE(f.router().delivered.size() == 1);
    CHECK(f.router().delivered[0].refused == "Not authorized: not now");
    CHECK(f.context.counters.commands_delivered.get() == 0);
    CHECK_FALSE(f.router().hot);
  }

  TEST_CASE("answers that nobody waits for are counted, and a PUBREC gets its PUBREL") {
    CommandFixture f;
    f.puback(7);
    f.subscribe({"devices/d1/commands/#"});
    f.session.on_deliver(f.command(1));
    f.puback(static_cast<std::uint16_t>(f.sent().packet_id + 1));
    CHECK(f.context.counters.unknown_acks.get() == 2);
    CHECK(f.router().delivered.empty());
    CHECK_FALSE(f.port.closed);
    for (const std::uint16_t id : {std::uint16_t{1}, std::uint16_t{40'000}}) {
      f.ack(Version::v5, PacketType::pubrec, id);
      const wire::Ack answer = f.next_ack(Version::v5);
      CHECK(answer.type == PacketType::pubrel);
      CHECK(answer.packet_id == id);
      CHECK(answer.reason == Reason::packet_identifier_not_found);
      f.ack(Version::v5, PacketType::pubcomp, id);
    }
    CHECK(f.context.counters.unknown_acks.get() == 6);
    CHECK_FALSE(f.port.closed);
  }

  TEST_CASE("a command that has expired is not sent") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    const model::Command command = f.command(1);
    f.wall_ms = command.expires_ms;
    f.session.on_deliver(command);
    CHECK(f.router().first.empty());
    REQUIRE(f.router().sent.size() == 1);
    CHECK_FALSE(f.router().sent[0].sent);
    CHECK(f.router().sent[0].why.empty());
    CHECK_FALSE(f.router().hot);
    f.wall_ms = command.expires_ms - 1; // The last moment.
    f.session.on_deliver(command);
    CHECK(f.sent().message_expiry_s == 1u);
  }

  TEST_CASE("a command that the client takes no packet for is not sent, and it is said why") {
    CommandFixture f(Version::v5, {}, "c1", 65535, 400);
    f.subscribe({"devices/d1/commands/#"});
    f.session.on_deliver(f.command(1, "d1", '"' + std::string(400, 'x') + '"'));
    CHECK(f.router().first.empty());
    REQUIRE(f.router().sent.size() == 1);
    CHECK_FALSE(f.router().sent[0].sent);
    CHECK(f.router().sent[0].why.find("the client takes 400") != std::string::npos);
    f.session.on_deliver(f.command(2));
    CHECK(f.sent().qos == 1);
  }

  TEST_CASE("no packet id is 0 or used twice, also when they wrap") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    f.session.on_deliver(f.command(1));
    const std::uint16_t held = f.sent().packet_id; // Never acknowledged.
    for (int i = 0; i < 70'000; ++i) {
      f.session.on_deliver(f.command(2));
      const std::uint16_t id = f.sent().packet_id;
      if (id == 0 || id == held) {
        FAIL("a packet id that is not free");
      }
      f.puback(id);
      f.router().sent.clear();
      f.router().delivered.clear();
    }
  }

  TEST_CASE("the client's Receive Maximum is kept: further commands wait for its PUBACKs") {
    CommandFixture f(Version::v5, {}, "c1", 2);
    f.subscribe({"devices/d1/commands/#"});
    CHECK(f.router().ready[0].in_flight_max == 2);
    for (std::uint8_t n = 1; n <= 5; ++n) {
      f.session.on_deliver(f.command(n));
    }
    CHECK(f.router().sent.size() == 2);
    const std::uint16_t first = f.sent().packet_id;
    f.sent();
    f.session.on_forget({command_id(4)}); // Taken back while it waits.
    f.puback(first);
    CHECK(f.router().sent.size() == 3);
    CHECK(f.router().sent[2].id == command_id(3));
    f.puback(f.sent().packet_id);
    CHECK(f.router().sent.size() == 4);
    CHECK(f.router().sent[3].id == command_id(5));
  }

  TEST_CASE("a command that waits too long for the client's PUBACKs is not sent") {
    CommandFixture f(Version::v5, {}, "c1", 1);
    f.subscribe({"devices/d1/commands/#"});
    f.session.on_deliver(f.command(1));
    f.session.on_deliver(f.command(2));
    const std::uint16_t first = f.sent().packet_id;
    f.wall_ms += 60'000;
    f.puback(first);
    REQUIRE(f.router().sent.size() == 2);
    CHECK_FALSE(f.router().sent[1].sent);
    CHECK(f.router().sent[1].why.empty());
  }

  TEST_CASE("nothing is published after an UNSUBSCRIBE, and what waits is dropped") {
    CommandFixture f(Version::v5, {}, "c1", 1);
    f.subscribe({"devices/d1/commands/#"});
    f.session.on_deliver(f.command(1));
    f.session.on_deliver(f.command(2)); // Waits for the PUBACK of the first.
    const std::uint16_t packet_id = f.sent().packet_id;
    f.unsubscribe("devices/d1/commands/#");
    f.session.on_deliver(f.command(3));
    f.puback(packet_id);
    CHECK(f.router().first.empty());
    CHECK(f.router().sent.size() == 1);
  }

  TEST_CASE("a command that waits can be taken back; one that was sent is told of anyway") {
    CommandFixture f(Version::v5, {}, "c1", 1);
    f.subscribe({"devices/d1/commands/#"});
    f.session.on_deliver(f.command(1));
    f.session.on_deliver(f.command(2));
    f.session.on_forget({command_id(1), false});
    f.session.on_forget({command_id(2), false});
    REQUIRE(f.router().sent.size() == 2);
    CHECK(f.router().sent[0].sent);
    CHECK(f.router().sent[1].id == command_id(2));
    CHECK_FALSE(f.router().sent[1].sent);
    f.puback(f.sent().packet_id);
    CHECK(f.router().delivered.size() == 1);
    CHECK(f.router().first.empty());
  }

  TEST_CASE("a command that comes again before its PUBACK is not sent twice") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    f.session.on_deliver(f.command(1));
    f.sent();
    f.session.on_deliver(f.command(1));
    CHECK(f.router().first.empty());
    CHECK(f.router().sent.size() == 2);
  }

  TEST_CASE("the subscription identifier goes with the command [MQTT5-3.3.4-3]") {
    CommandFixture f;
    wire::Subscribe packet;
    packet.packet_id = 1;
    packet.subscription_id = 77;
    packet.subscriptions = {{"devices/d1/commands/#", 1}};
    std::string bytes;
    wire::append_subscribe(bytes, packet, f.version);
    f.feed(bytes);
    f.session.on_deliver(f.command(1));
    CHECK(f.sent().subscription_ids == std::vector<std::uint32_t>{77});
  }

  TEST_CASE("subscriptions that change all the time end the connection") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    for (int i = 0; i < 10; ++i) {
      f.subscribe({"devices/d1/commands/#"}); // No change.
    }
    CHECK(f.router().ready.size() == 1);
    for (std::uint32_t i = 0; i <= kFilterChangesMax && !f.port.closed; ++i) {
      f.feed_subscribe({"devices/d1/commands/#"}, i % 2);
    }
    CHECK(f.port.closed);
  }

  TEST_CASE("what a client never acknowledges is bounded in number and bytes") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    const std::string large = '"' + std::string(60'000, 'x') + '"';
    for (int i = 0; i < 200; ++i) {
      f.session.on_deliver(f.command(static_cast<std::uint8_t>(i), "d1", large));
    }
    CHECK(f.router().first.size() < kUnackedCommandBytesMax + 2 * large.size());
    CHECK_FALSE(f.router().sent.back().sent);
    CHECK(f.router().sent.back().why == "too many commands wait for the client's acknowledgements");
    const auto refused = std::count_if(f.router().sent.begin(), f.router().sent.end(),
                                       [](const CommandSent& told) { return !told.sent; });
    CHECK(refused > 100);

    CommandFixture small;
    small.subscribe({"devices/d1/commands/#"});
    for (std::size_t i = 0; i < kUnackedCommandsMax + kWaitingCommandsMax + 10; ++i) {
      model::Command command = small.command(1);
      command.id.bytes[0] = static_cast<unsigned char>(i >> 8);
      command.id.bytes[1] = static_cast<unsigned char>(i);
      small.session.on_deliver(std::move(command));
    }
    CHECK(small.router().sent.size() == kUnackedCommandsMax + 10);
  }

  TEST_CASE("the packet id of a command that was forgotten stays in use until its PUBACK") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    f.session.on_deliver(f.command(1));
    const std::uint16_t packet_id = f.sent().packet_id;
    f.session.on_forget({command_id(1)});
    f.puback(packet_id);
    CHECK(f.router().delivered.empty());
    CHECK(f.context.counters.unknown_acks.get() == 0);
    f.puback(packet_id);
    CHECK(f.context.counters.unknown_acks.get() == 1);
  }

  TEST_CASE("the socket is hot from the sending to the answer") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    CHECK_FALSE(f.router().hot);
    f.session.on_deliver(f.command(1));
    f.session.on_deliver(f.command(2));
    CHECK(f.router().hot);
    f.puback(f.sent().packet_id);
    f.puback(f.sent().packet_id);
    CHECK(f.router().hot); // The answers are awaited.
    f.answer(1, CommandFixture::topic(1), "1");
    CHECK(f.router().hot);
    f.session.on_forget({command_id(2)});
    CHECK_FALSE(f.router().hot);
  }

  TEST_CASE("a socket cools down some time after the last command, whatever is owed") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    const std::uint64_t t0 = f.loop.now_ms();
    for (int i = 0; i < 200; ++i) {
      f.session.on_deliver(f.command(static_cast<std::uint8_t>(i)));
    }
    CHECK(f.router().wake_within_ms == kHotMs);
    CHECK(f.session.on_timer(t0 + 1'000) == kHotMs - 1'000);
    CHECK(f.router().hot);
    CHECK(f.session.on_timer(t0 + kHotMs) > kHotMs); // The keep-alive's.
    CHECK_FALSE(f.router().hot);
    f.session.on_deliver(f.command(250));
    CHECK(f.router().hot);
  }

  TEST_CASE("commands of many devices go over one gateway") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#", "devices/d2/commands/#"});
    f.session.on_deliver(f.command(1, "d1"));
    f.session.on_deliver(f.command(2, "d2"));
    f.sent();
    const std::uint16_t second = f.sent().packet_id;
    f.puback(second);
    REQUIRE(f.router().delivered.size() == 1);
    CHECK(f.router().delivered[0].device == "d2");
    f.answer(1, CommandFixture::topic(2, "d2"), "1");
    CHECK(f.router().answers[0].device == "d2");
  }

  TEST_CASE("the numbered dialect sends method and params, and takes any JSON as the result") {
    for (const Version version : {Version::v311, Version::v5}) {
      CommandFixture f(version, {.thingsboard_rpc = true}, "d1");
      f.subscribe({"v1/devices/me/rpc/request/+"});
      REQUIRE(f.router().ready.size() == 1);
      CHECK(f.router().ready[0].device == "d1");
      CHECK(f.router().ready[0].numbered);
      CHECK_FALSE(f.router().ready[0].filters.empty());
      f.session.on_deliver(f.command(1));
      const std::string alias = std::to_string(model::alias_of(command_id(1)));
      const wire::Publish publish = f.sent();
      CHECK(publish.topic == "v1/devices/me/rpc/request/" + alias);
      CHECK(publish.payload == R"({"method":"reboot","params":[1]})");
      f.puback(publish.packet_id);
      CHECK(f.router().delivered.size() == 1);
      f.answer(1, "v1/devices/me/rpc/response/" + alias, R"({"status":"failed"})");
      REQUIRE(f.router().answers.size() == 1);
      CHECK(f.router().answers[0].alias == model::alias_of(command_id(1)));
      CHECK(f.router().answers[0].device == "d1");
      CHECK(f.router().answers[0].status == CommandAnswer::Status::ok);
      CHECK(f.router().answers[0].result == R"({"status":"failed"})");
      CHECK_FALSE(f.router().hot);
    }
  }

  TEST_CASE("who subscribes to both dialects gets the plain one") {
    CommandFixture f(Version::v5, {.thingsboard_rpc = true}, "d1");
    f.subscribe({"v1/devices/me/rpc/request/+", "devices/d1/commands/#"});
    REQUIRE(f.router().ready.size() == 1);
    CHECK_FALSE(f.router().ready[0].numbered);
    CHECK(f.router().ready[0].filters == std::vector<std::string>{"devices/d1/commands/#"});
    f.unsubscribe("devices/d1/commands/#");
    CHECK(f.router().ready[1].numbered);
  }
}

} // namespace
} // namespace spate::actors
