#include <map>

#include "tests/loadgen/group_run.hpp"

using namespace spate;
using namespace spate::loadgen;

TEST_CASE("a server that stalls for a second shows in every message that was due in it") {
  // Coordinated omission: a generator that waits for the server would send one message late and see
  // one bad latency. 1,000 messages were due during the stall; half of them must show 500 ms and
  // more.
  for (const std::uint32_t messages :
       {1u, 10'000u}) { // Held back by the window, or only unanswered.
    Run run(open_loop(1000), window(messages));
    run.go_online();
    run.begin();
    run.pass(kSecond);
    run.pass(kSecond, false);
    run.pass(8 * kSecond);
    if (messages ==
        1) { // One message a step leaves no room to catch up: let the server answer faster.
      for (int i = 0; i < 3'000; ++i) {
        run.server.answer(run.group, run.now_ns);
      }
    }
    run.group.stop(run.now_ns);
    const Stats stats = run.stats();
    CAPTURE(messages);
    CHECK(stats.acked >= 9'990);
    if (messages == 1) {
      // The window never lets the generator catch up at one a step, so that all 8 s after the stall
      // are late too.
      CHECK(ms(stats.latency.quantile(0.5)) > 900);
      CHECK(ms(stats.service.quantile(0.95)) < 1.5); // The server itself was quick for all but one.
    } else {
      CHECK(ms(stats.latency.quantile(0.895)) < 2);
      CHECK(ms(stats.latency.quantile(0.95)) == doctest::Approx(500).epsilon(0.02));
      CHECK(ms(stats.latency.quantile(0.99)) == doctest::Approx(900).epsilon(0.02));
    }
    CHECK(ms(stats.latency.max()) >= 999);
    CHECK(ms(stats.lag.max()) <= 1); // And the generator, with its steps of 1 ms, is not to blame.
  }
}

TEST_CASE("nothing that is due at the end is sent, however late the order to stop comes") {
  Run run(open_loop(1000), window(5000));
  run.go_online();
  const std::int64_t end_ns = run.now_ns + kSecond;
  run.begin(end_ns);
  run.pass(kSecond + 50 * kMs);
  run.group.stop(end_ns);
  run.pass(50 * kMs);
  CHECK(run.stats().sent == 1000);
}

TEST_CASE("a generator that is late itself says so") {
  Run run(open_loop(1000), window(5000));
  run.go_online();
  run.begin();
  run.now_ns += kSecond; // Nobody called tick() for a second.
  run.pass(kMs);
  const Stats stats = run.stats();
  CHECK(stats.acked == 1'002);
  CHECK(ms(stats.lag.quantile(0.5)) == doctest::Approx(500).epsilon(0.02));
  CHECK(ms(stats.latency.quantile(0.5)) == doctest::Approx(500).epsilon(0.02));
}

TEST_CASE("a server that never answers costs bounded memory and loses what was sent") {
  Run run(open_loop(1'000'000), window(10));
  run.go_online();
  run.begin(run.now_ns + kSecond);
  run.pass(kSecond, false);
  CHECK(run.group.in_flight() == 10);
  CHECK(run.group.waiting() == 10 + DeviceGroup::kBacklogMax);
  run.group.stop(run.now_ns);
  CHECK_FALSE(run.group.all_sent());
  run.group.finish(run.now_ns);
  const Stats stats = run.stats();
  CHECK(stats.sent == 10);
  CHECK(stats.lost == 10);
  CHECK(stats.unsent == 1'000'000 - 10);
  CHECK(stats.acked == 0);
  CHECK(run.acked.empty());
  CHECK(run.server.disconnects == 0); // Read below.
  run.server.read_all();
  CHECK(run.server.disconnects == 1);
  CHECK(run.server.closed.count(0) == 1);
}

TEST_CASE("answers that come after the end are nobody's fault") {
  Run run(open_loop(1000), window(100));
  run.go_online();
  run.begin();
  run.pass(10 * kMs, false);
  run.group.stop(run.now_ns);
  run.group.finish(run.now_ns);
  run.server.answer(run.group, run.now_ns);
  const Stats stats = run.stats();
  CHECK(stats.lost == stats.sent);
  CHECK(stats.error_count() == stats.lost); // And no protocol error.
  CHECK(run.server.aborted.empty());
}

TEST_CASE("a refused message is neither acknowledged nor in the ledger") {
  Run run(open_loop(1000), window(100), 1, wire::Version::v5);
  run.go_online();
  run.begin();
  run.pass(5 * kMs, false);
  run.server.answer(run.group, run.now_ns, wire::Reason::quota_exceeded);
  const Stats stats = run.stats();
  CHECK(stats.refused == 6);
  CHECK(stats.acked == 0);
  CHECK(stats.reasons[0x97] == 6);
  CHECK(stats.errors.at("refused: Quota exceeded") == 6);
  CHECK(run.acked.empty());
}

TEST_CASE("a flood keeps exactly its window in flight and ends at its count") {
  GeneratedPlan plan = flood();
  plan.count_max = 100;
  Run run(plan, window(7), 3);
  run.go_online();
  run.begin();
  CHECK(run.group.in_flight() == 21);
  while (!run.group.drained()) {
    REQUIRE(run.group.in_flight() <= 21);
    run.pass(kMs);
  }
  const Stats stats = run.stats();
  CHECK(stats.sent == 100);
  CHECK(stats.acked == 100);
}

TEST_CASE("each record is known by its device and a time that only increases") {
  Run run(flood(), window(50), 2);
  run.go_online();
  run.begin();
  run.pass(20 * kMs);
  run.stats();
  std::map<std::uint32_t, std::int64_t> last;
  for (const LedgerRecord& record : run.acked) {
    REQUIRE(record.ts > last[record.device]);
    last[record.device] = record.ts;
  }
  CHECK(run.acked.size() == run.board.totals().acked);
  CHECK(last.size() == 2);
}

TEST_CASE("QoS 0 counts as acknowledged once the server has read it, as a PINGRESP proves") {
  Run run(flood(), window(1, 0), 2);
  run.go_online();
  run.begin();
  CHECK(run.group.between(run.now_ns, run.now_ns / kMs));
  run.server.read_all();
  CHECK(run.group.between(run.now_ns, run.now_ns / kMs));
  CHECK_FALSE(
      run.group.between(run.now_ns, run.now_ns / kMs)); // Nothing was taken: wait for the network.
  run.group.stop(run.now_ns);
  CHECK_FALSE(run.group.drained());
  CHECK(run.stats().acked == 0);
  run.pass(kSecond);
  CHECK(run.group.drained());
  const Stats stats = run.stats();
  CHECK(stats.acked == stats.sent);
  CHECK(stats.sent == run.server.received.size());
}

TEST_CASE("the rate of QoS 0 is that of the messages sent in the measured time and read") {
  Run run(open_loop(1000), window(1, 0));
  run.go_online();
  run.group.begin(run.now_ns, run.now_ns + kSecond, run.now_ns, run.now_ns / kMs);
  run.pass(3 * kSecond);
  CHECK(run.stats().measured_acked == 0); // Nobody has asked yet.
  run.group.stop(run.now_ns);
  run.pass(kSecond);
  const Stats stats = run.stats();
  CHECK(stats.acked == stats.sent);
  CHECK(stats.measured_acked == stats.measured_sent);
  CHECK(stats.measured_acked >= 2'000);
  CHECK(stats.measured_acked < stats.acked);
}

TEST_CASE("a group tells whether anything moves and what it waits for") {
  Run run(flood(), window(5), 2);
  run.go_online();
  run.begin();
  CHECK(run.group.moves() == 10);
  CHECK(run.group.waiting() == 10);
  run.pass(10 * kMs, false);
  CHECK(run.group.moves() == 10);
  run.pass(kMs);
  CHECK(run.group.moves() == 30); // Ten answers, ten more sent.
  run.server.die(run.group, 2, run.now_ns);
  CHECK(run.group.gone() == 2);
  CHECK(run.group.waiting() == 0);
}

TEST_CASE("what was sent during the warm-up is not measured") {
  Run run(open_loop(1000), window(5'000));
  run.go_online();
  run.group.begin(run.now_ns, run.now_ns + kSecond, run.now_ns, run.now_ns / kMs);
  run.pass(500 * kMs, false);
  run.pass(1'500 * kMs);
  run.group.stop(run.now_ns);
  const Stats stats = run.stats();
  CHECK(stats.acked == 2'001);
  CHECK(stats.latency.count() == 1'001);
  CHECK(ms(stats.latency.max()) < 2);
  CHECK(stats.measured_sent == 1'001);
}

TEST_CASE("what a subscription brings is counted, with its time on the way") {
  GroupPlan plan = window(10);
  plan.session.subscribe = TopicTemplate("devices/+/telemetry");
  Run run(open_loop(1), plan);
  run.go_online();
  CHECK(run.server.filters == std::vector<std::string>{"devices/+/telemetry"});
  run.begin();
  wire::Publish packet;
  const std::string payload = R"({"ts":)" + std::to_string(run.now_ns / kMs - 7) + R"(,"a":1})";
  packet.topic = "devices/x/telemetry";
  packet.payload = payload;
  packet.qos = 1;
  packet.packet_id = 9;
  std::string bytes;
  wire::append_publish(bytes, packet, wire::Version::v311);
  run.server.give(run.group, 0, bytes, run.now_ns);
  run.server.read_all();
  CHECK(run.server.pubacks == std::vector<std::uint16_t>{9});
  const Stats stats = run.stats();
  CHECK(stats.received == 1);
  CHECK(stats.received_bytes == payload.size());
  CHECK(ms(stats.delivery.max()) == doctest::Approx(7).epsilon(0.02));
}
