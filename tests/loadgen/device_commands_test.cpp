// Devices that answer commands.
#include "loadgen/fleet/device_commands.hpp"

#include "tests/loadgen/group_run.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

constexpr wire::Version kBoth[] = {wire::Version::v311, wire::Version::v5};

GroupPlan answering(std::uint32_t messages = 10, std::int64_t after_ns = 0) {
  GroupPlan plan = window(messages);
  plan.session.commands = true;
  plan.session.subscribe = TopicTemplate(kCommandFilter);
  plan.answer_after_ns = after_ns;
  return plan;
}

/// One device without telemetry until begin() is called.
struct Fleet : Run {
  explicit Fleet(GroupPlan plan = answering(), wire::Version version = wire::Version::v311,
                 GeneratedPlan load_plan = flood(), std::uint32_t devices = 1)
      : Run(load_plan, std::move(plan), devices, version) {}

  void command(const std::string& id, std::uint16_t packet_id = 7, bool dup = false) {
    server.give(group, 0, server.command(0, id, packet_id, dup), now_ns);
    server.read_all();
  }
  /// Those of all PUBLISH packets that answer commands.
  std::vector<FakeServer::Received> answers() {
    server.read_all();
    std::vector<FakeServer::Received> found;
    for (const auto& message : server.received) {
      if (message.topic.find("/responses/") != std::string::npos) {
        found.push_back(message);
      }
    }
    return found;
  }
};

} // namespace

TEST_CASE("a device is settled once its subscription to its commands is granted, not before") {
  for (const auto version : kBoth) {
    Fleet fleet(answering(), version);
    fleet.server.grant.reset();
    fleet.group.start_connecting(fleet.now_ns);
    fleet.server.accept(fleet.group, fleet.now_ns);
    REQUIRE(fleet.server.filters.size() == 1);
    CHECK(fleet.server.filters[0] == "devices/dev-0/commands/#");
    CHECK(fleet.group.online() == 1);
    CHECK(fleet.group.settled() == 0);
    CHECK(fleet.group.subscribed() == 0);
    fleet.server.grant_all(fleet.group, fleet.now_ns, wire::Reason::granted_qos1);
    CHECK(fleet.group.settled() == 1);
    CHECK(fleet.group.subscribed() == 1);
    fleet.server.die(fleet.group, 1, fleet.now_ns);
    CHECK(fleet.group.subscribed() == 0);
  }
}

TEST_CASE("a refused or missing SUBACK is a failure with its reason") {
  for (const bool refused : {true, false}) {
    Fleet fleet;
    fleet.server.grant.reset();
    fleet.group.start_connecting(fleet.now_ns);
    fleet.server.accept(fleet.group, fleet.now_ns);
    if (refused) {
      fleet.server.grant_all(fleet.group, fleet.now_ns, wire::Reason::unspecified_error);
    } else {
      fleet.pass(32 * kSecond);
    }
    CAPTURE(refused);
    CHECK(fleet.server.aborted.count(0) == 1);
    const Stats stats = fleet.stats();
    CHECK(stats.errors.count(refused ? "the subscription was refused: Unspecified error"
                                     : "no SUBACK in time") == 1);
  }
}

TEST_CASE("devices that do not answer commands neither subscribe nor take one") {
  Run run(flood(), window(1));
  run.go_online();
  CHECK(run.server.filters.empty());
  run.server.give(run.group, 0, run.server.command(0, "a", 1), run.now_ns);
  CHECK(run.server.aborted.count(0) == 1);
}

TEST_CASE("a command is acknowledged at once and answered when it is due") {
  for (const std::int64_t after_ns : {std::int64_t{0}, 5 * kMs}) {
    Fleet fleet(answering(10, after_ns));
    fleet.go_online();
    fleet.command("cmd-1", 7);
    CHECK(fleet.server.pubacks == std::vector<std::uint16_t>{7});
    if (after_ns != 0) {
      fleet.pass(4 * kMs, false);
      CHECK(fleet.answers().empty());
      CHECK_FALSE(fleet.group.drained());
      fleet.pass(kMs, false);
    }
    const auto answers = fleet.answers();
    REQUIRE(answers.size() == 1);
    CHECK(answers[0].payload == R"({"status":"ok","result":{"count":1}})");
    CHECK_FALSE(answers[0].dup);
    CHECK_FALSE(fleet.group.drained());
    fleet.server.answer(fleet.group, fleet.now_ns);
    CHECK(fleet.group.drained());
    const Stats stats = fleet.stats();
    CHECK(stats.commands == 1);
    CHECK(stats.answers == 1);
    CHECK(stats.answers_acked == 1);
    CHECK(stats.acked == 0); // Answers are no telemetry.
    CHECK(stats.answer_lag.max() == 0);
  }
}

TEST_CASE("jitter comes on top of the time to the answer, and within its bounds") {
  GroupPlan plan = answering(10, 10 * kMs);
  plan.answer_jitter_ns = 20 * kMs;
  Fleet fleet(std::move(plan));
  fleet.go_online();
  for (int i = 0; i < 50; ++i) {
    fleet.command("cmd-" + std::to_string(i));
  }
  std::vector<std::size_t> after_ms;
  for (int ms = 1; ms <= 31; ++ms) {
    fleet.pass(kMs);
    after_ms.push_back(fleet.answers().size());
  }
  CHECK(after_ms[9] == 0);
  CHECK(after_ms[19] > 5);
  CHECK(after_ms[19] < 45);
  CHECK(after_ms[30] == 50);
}

TEST_CASE("an answer goes to the topic of 3.1.1, or to where MQTT 5 asks for it") {
  Fleet old;
  old.go_online();
  old.command("cmd-1");
  CHECK(old.answers().at(0).topic == "devices/dev-0/responses/cmd-1");

  Fleet young(answering(), wire::Version::v5);
  young.go_online();
  young.command("cmd-1");
  CHECK(young.answers().at(0).topic == "devices/dev-0/responses/here");
  CHECK(young.answers().at(0).correlation == "cmd-1");
}

TEST_CASE("a command that names no place for its answer is acknowledged and counted") {
  for (const auto version : kBoth) {
    for (const char* topic : {"devices/dev-0/commands/set", "commands/a/b",
                              "devices/dev-0/commands/"
                              "set/"}) {
      Fleet fleet(answering(), version);
      fleet.go_online();
      wire::Publish packet;
      packet.topic = topic;
      packet.qos = 1;
      packet.packet_id = 3;
      std::string bytes;
      wire::append_publish(bytes, packet, version);
      fleet.server.give(fleet.group, 0, bytes, fleet.now_ns);
      CAPTURE(topic);
      CHECK(fleet.answers().empty());
      CHECK(fleet.server.pubacks.size() == 1);
      CHECK(fleet.stats().commands_unanswerable == 1);
    }
  }
}

TEST_CASE("a command that comes again is acknowledged again and executed once") {
  for (const bool answered : {false, true}) {
    Fleet fleet(answering(10, answered ? 0 : 5 * kMs), wire::Version::v5);
    fleet.go_online();
    fleet.command("cmd-1", 7);
    if (answered) {
      fleet.server.answer(fleet.group, fleet.now_ns);
    }
    fleet.command("cmd-1", 8, true);
    fleet.pass(10 * kMs);
    CAPTURE(answered);
    CHECK(fleet.server.pubacks == std::vector<std::uint16_t>{7, 8});
    CHECK(fleet.answers().size() == 1);
    const Stats stats = fleet.stats();
    CHECK(stats.commands == 1);
    CHECK(stats.commands_repeated == 1);
    CHECK(stats.answers_acked == 1);
  }
}

TEST_CASE("a full window of telemetry does not hold an answer back") {
  for (const auto version : kBoth) {
    Fleet fleet(answering(2), version);
    fleet.go_online();
    fleet.begin();
    fleet.server.read_all();
    REQUIRE(fleet.server.received.size() == 2); // The window, and the server says nothing.
    fleet.command("cmd-1");
    REQUIRE(fleet.server.received.size() == 3);
    CHECK(fleet.answers().size() == 1);
  }
}

TEST_CASE("an answer goes out before telemetry that may go at the same time") {
  Fleet fleet(answering(1));
  fleet.go_online();
  fleet.begin();
  fleet.server.read_all();
  REQUIRE(fleet.server.received.size() == 1);
  const std::uint16_t waiting = fleet.server.received[0].id;
  // One read brings room in the window and, behind it, a command.
  fleet.server.give(fleet.group, 0,
                    fleet.server.puback(waiting) + fleet.server.command(0, "cmd-1", 7),
                    fleet.now_ns);
  fleet.server.read_all();
  REQUIRE(fleet.server.received.size() == 3);
  CHECK(fleet.server.received[1].topic == "devices/dev-0/responses/cmd-1");
  CHECK(fleet.server.received[2].topic == "devices/dev-0/telemetry");

  Fleet due(answering(10, kMs), wire::Version::v311, open_loop(1000));
  due.go_online();
  due.command("cmd-1");
  due.begin();
  due.pass(kMs, false); // The answer and two messages are due in one tick.
  due.server.read_all();
  REQUIRE(due.server.received.size() >= 2);
  CHECK(due.server.received[0].topic == "devices/dev-0/responses/cmd-1");
}

TEST_CASE("telemetry and answers together keep within the server's Receive Maximum") {
  for (const std::uint16_t maximum : {std::uint16_t{1}, std::uint16_t{8}}) {
    Fleet fleet(answering(100), wire::Version::v5);
    fleet.group.start_connecting(fleet.now_ns);
    wire::Connack connack;
    connack.receive_maximum = maximum;
    fleet.server.accept(fleet.group, fleet.now_ns, connack);
    fleet.begin();
    for (int i = 0; i < 10; ++i) {
      fleet.command("cmd-" + std::to_string(i));
    }
    CAPTURE(maximum);
    CHECK(fleet.server.received.size() == maximum);
    // A quarter is kept for answers where there is one.
    CHECK(fleet.answers().size() == (maximum == 8 ? 2 : 0));
    for (int i = 0; i < 20; ++i) {
      fleet.server.answer(fleet.group, fleet.now_ns); // Each gives room, to answers first.
    }
    CHECK(fleet.answers().size() == 10);
  }
}

TEST_CASE("an answer whose connection is lost is sent again, unchanged and in its order") {
  for (const bool present : {false, true}) {
    GroupPlan plan = reconnecting(10);
    plan.session.commands = true;
    plan.session.subscribe = TopicTemplate(kCommandFilter);
    Fleet fleet(std::move(plan));
    fleet.go_online();
    fleet.command("cmd-1");
    fleet.command("cmd-2");
    const auto first = fleet.answers();
    REQUIRE(first.size() == 2);
    fleet.server.die(fleet.group, 1, fleet.now_ns);
    fleet.server.received.clear();
    fleet.server.session_present = present;
    fleet.pass(3 * kSecond);
    const auto again = fleet.answers();
    CAPTURE(present);
    REQUIRE(again.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(again[i].payload == first[i].payload);
      CHECK(again[i].topic == first[i].topic);
      CHECK(again[i].id == first[i].id);
      CHECK(again[i].dup == present);
    }
    CHECK(fleet.server.filters.size() == 2); // It subscribes again, too.
    const Stats stats = fleet.stats();
    CHECK(stats.answers == 2);
    CHECK(stats.answers_resent == 2);
    CHECK(stats.answers_acked == 2);
    CHECK(stats.answers_lost == 0);
  }
}

TEST_CASE("an answer that was not acknowledged until the end, or not sent, is lost") {
  Fleet fleet(answering(10, kSecond));
  fleet.go_online();
  fleet.command("cmd-1");
  fleet.pass(kSecond, false);
  fleet.command("cmd-2"); // Due after the end.
  REQUIRE(fleet.answers().size() == 1);
  fleet.group.finish(fleet.now_ns);
  const Stats stats = fleet.stats();
  CHECK(stats.answers_lost == 2);
  CHECK(stats.error_count() >= 2);
  fleet.pass(2 * kSecond, false); // What was due later finds nothing.
  CHECK(fleet.answers().size() == 1);
}

TEST_CASE("a refused answer is counted as such") {
  Fleet fleet(answering(), wire::Version::v5);
  fleet.go_online();
  fleet.command("cmd-1");
  fleet.server.answer(fleet.group, fleet.now_ns, wire::Reason::not_authorized);
  CHECK(fleet.stats().answers_refused == 1);
  CHECK(fleet.group.drained());
}

TEST_CASE("an acknowledgement for an answer that nobody waits for is a protocol error") {
  Fleet fleet;
  fleet.go_online();
  fleet.command("cmd-1");
  const std::uint16_t id = fleet.answers().at(0).id;
  CHECK(id >= ClientSession::kAnswerIdMin);
  fleet.server.give(fleet.group, 0, fleet.server.puback(id), fleet.now_ns);
  CHECK(fleet.server.aborted.empty());
  fleet.command("cmd-2"); // The same slot, another identifier.
  CHECK(fleet.answers().at(1).id != id);
  fleet.server.give(fleet.group, 0, fleet.server.puback(id), fleet.now_ns);
  CHECK(fleet.server.aborted.count(0) == 1);
  CHECK(fleet.stats().answers_acked == 1);
}

TEST_CASE("a server that floods a device with commands costs bounded memory") {
  Fleet fleet;
  fleet.go_online();
  for (int i = 0; i < 1000; ++i) {
    fleet.command("cmd-" + std::to_string(i));
  }
  CHECK(fleet.answers().size() == ClientSession::kAnswersInFlightMax); // None is acknowledged.
  const Stats stats = fleet.stats();
  CHECK(stats.commands == 1000);
  CHECK(stats.commands_unanswerable == 1000 - DeviceCommands::kOpenMax);
  for (int i = 0; i < 10; ++i) {
    fleet.server.answer(fleet.group, fleet.now_ns);
  }
  CHECK(fleet.answers().size() == DeviceCommands::kOpenMax);
  CHECK(fleet.group.drained());
  fleet.command("one more");
  CHECK(fleet.answers().size() == DeviceCommands::kOpenMax + 1);
}

TEST_CASE("the last commands are remembered, not all") {
  DeviceCommands commands;
  std::uint8_t slot = 0;
  const auto take = [&](int i) {
    const std::string id = std::to_string(i);
    const auto taken = commands.take({id, "t", {}}, 0, slot);
    if (taken == DeviceCommands::Taken::fresh) {
      REQUIRE(commands.make_ready(slot, commands.taken()));
      const std::uint16_t packet_id = commands.next_ready()->packet_id;
      commands.sent();
      REQUIRE(commands.acked(packet_id));
    }
    return taken;
  };
  for (int i = 0; i < 300; ++i) {
    REQUIRE(take(i) == DeviceCommands::Taken::fresh);
  }
  CHECK(take(299) == DeviceCommands::Taken::repeated);
  CHECK(take(300 - static_cast<int>(DeviceCommands::kRememberedMax)) ==
        DeviceCommands::Taken::repeated);
  CHECK(take(0) == DeviceCommands::Taken::fresh);
  CHECK(commands.open() == 0);
}
