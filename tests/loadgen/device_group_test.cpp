#include "loadgen/device_group.hpp"

#include <doctest/doctest.h>

#include "loadgen/acks_file.hpp"
#include "tests/loadgen/fake_server.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = 1'000 * kMs;

/// A group, its load, a pretended server and a pretended clock.
struct Run {
  Run(GeneratedPlan load_plan, GroupPlan group_plan, std::uint32_t devices = 1,
      wire::Version version = wire::Version::v311)
      : server(version), load(load_plan, devices, templates),
        group(with_acks(std::move(group_plan), version), names(devices), &load, server),
        count(devices) {}

  static std::vector<std::string> names(std::uint32_t devices) {
    std::vector<std::string> made;
    for (std::uint32_t i = 0; i < devices; ++i) {
      made.push_back("dev-" + std::to_string(i));
    }
    return made;
  }
  GroupPlan with_acks(GroupPlan plan, wire::Version version) {
    plan.session.version = version;
    plan.write_acks = [this](std::string lines) { acks += lines; };
    return plan;
  }

  void go_online() {
    group.start_connecting(now_ns);
    server.accept(group, now_ns);
    REQUIRE(group.settled() == count);
  }
  void begin() { group.begin(now_ns, 0, now_ns, now_ns / kMs); }
  /// Lets time pass in steps of a millisecond; the server answers at each step if it `works`.
  void pass(std::int64_t time_ns, bool works = true) {
    for (const std::int64_t end_ns = now_ns + time_ns; now_ns < end_ns;) {
      now_ns += kMs;
      group.tick(now_ns, now_ns / kMs);
      if (works) {
        server.accept(group, now_ns);
        server.answer(group, now_ns);
      }
    }
  }
  Stats stats() {
    group.publish(board);
    return board.totals();
  }

  std::int64_t now_ns = 1'000 * kSecond;
  std::string acks;
  std::vector<Template> templates = load_templates("small", 1).value();
  FakeServer server;
  GeneratedLoad load;
  StatsBoard board;
  DeviceGroup group;
  std::uint32_t count;
};

GeneratedPlan open_loop(double rate) {
  GeneratedPlan plan;
  plan.rate = rate;
  return plan;
}
GeneratedPlan flood() {
  GeneratedPlan plan;
  plan.closed_loop = true;
  return plan;
}
GroupPlan window(std::uint32_t messages, std::uint8_t qos = 1) {
  GroupPlan plan;
  plan.session.window = messages;
  plan.session.qos = qos;
  return plan;
}
GroupPlan reconnecting(std::uint32_t messages) {
  GroupPlan plan = window(messages);
  plan.reconnect = true;
  plan.session.clean = false;
  return plan;
}

double ms(std::uint64_t ns) {
  return static_cast<double>(ns) / 1e6;
}

} // namespace

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
  Run run(open_loop(100'000), window(10));
  run.go_online();
  run.begin();
  run.pass(kSecond, false);
  CHECK(run.group.in_flight() == 10);
  run.group.stop(run.now_ns);
  CHECK_FALSE(run.group.all_sent());
  run.group.finish(run.now_ns);
  const Stats stats = run.stats();
  CHECK(stats.sent == 10);
  CHECK(stats.lost == 10);
  CHECK(stats.unsent == 100'000 - 10);
  CHECK(stats.acked == 0);
  CHECK(run.acks.empty());
  CHECK(run.server.disconnects == 0); // Read below.
  run.server.read_all();
  CHECK(run.server.disconnects == 1);
  CHECK(run.server.closed.count(0) == 1);
}

TEST_CASE("without --reconnect a lost connection loses its messages and what is due for it later") {
  Run run(open_loop(1000), window(100), 2);
  run.go_online();
  run.begin();
  run.pass(10 * kMs);
  run.pass(20 * kMs, false);
  run.server.read_all();
  run.server.unanswered.clear();
  run.group.on_closed(0, "closed by the peer", run.now_ns);
  run.pass(10 * kMs);
  run.group.stop(run.now_ns);
  const Stats stats = run.stats();
  CHECK(stats.connections_lost == 1);
  CHECK(stats.errors.at("connection lost: closed by the peer") == 1);
  CHECK(stats.lost == 10);
  CHECK(stats.errors.at("lost with its connection") == 10);
  CHECK(stats.unsent == 5);
  CHECK(stats.errors.at("not connected") == 5);
  CHECK(run.group.online() == 1);
}

TEST_CASE("with --reconnect the unanswered is sent again unchanged and nothing is lost") {
  Run run(open_loop(1000), reconnecting(100), 2);
  run.go_online();
  CHECK_FALSE(run.server.last_connect.clean_start);
  run.begin();
  run.pass(10 * kMs);
  run.pass(20 * kMs, false);
  run.server.read_all();
  const auto before = run.server.unanswered;
  REQUIRE(before.size() == 20);
  run.server.die(run.group, 2, run.now_ns);
  CHECK(run.group.online() == 0);
  run.server.received.clear();
  run.server.session_present = true;
  run.pass(5 * kSecond);
  run.group.stop(run.now_ns);
  run.pass(kMs);
  CHECK(run.group.drained());

  const Stats stats = run.stats();
  CHECK(stats.resent == 20);
  CHECK(stats.lost == 0);
  CHECK(stats.unsent == 0);
  CHECK(stats.sent == stats.acked);
  CHECK(stats.connects == 4);
  CHECK(ms(stats.latency.max()) > 20); // The outage is in the latencies.
  std::size_t again = 0;
  for (const auto& message : run.server.received) {
    if (message.dup) {
      const auto& first = *std::find_if(before.begin(), before.end(), [&](const auto& old) {
        return old.device == message.device && old.id == message.id;
      });
      CHECK(first.payload == message.payload);
      ++again;
    }
  }
  CHECK(again == 20);
}

TEST_CASE("with --reconnect a server without the session is sent new messages") {
  Run run(open_loop(1000), reconnecting(100));
  run.go_online();
  run.begin();
  run.pass(20 * kMs, false);
  run.server.die(run.group, 1, run.now_ns);
  run.server.received.clear();
  run.group.stop(run.now_ns);
  run.pass(5 * kSecond);
  CHECK(run.group.drained());
  CHECK(run.stats().resent == run.server.received.size());
  for (const auto& message : run.server.received) {
    CHECK_FALSE(message.dup);
  }
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

TEST_CASE("a server that can not be reached is tried again, slower and slower") {
  Run run(open_loop(1000), reconnecting(10));
  run.server.refuse_connects = true;
  run.group.start_connecting(run.now_ns);
  run.pass(10 * kSecond, false);
  const auto failures = run.stats().connect_failures;
  CHECK(failures > 5);
  CHECK(failures < 25);
  CHECK(run.group.settled() == 0);
  run.server.refuse_connects = false;
  run.pass(2 * kSecond);
  CHECK(run.group.online() == 1);
}

TEST_CASE("a refused message is neither acknowledged nor in the acks file") {
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
  CHECK(run.acks.empty());
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
  std::map<std::string, std::int64_t> last;
  std::size_t lines = 0;
  for (std::size_t at = 0; at < run.acks.size(); ++lines) {
    const std::size_t end = run.acks.find('\n', at);
    const auto ack = parse_ack_line(std::string_view(run.acks).substr(at, end - at)).value();
    std::int64_t& before = last[std::string(ack.device)];
    REQUIRE(ack.ts > before);
    before = ack.ts;
    at = end + 1;
  }
  CHECK(lines == run.board.totals().acked);
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

TEST_CASE("QoS 0 that was sent into a lost connection is lost") {
  Run run(open_loop(1000), window(100, 0));
  run.go_online();
  run.begin();
  run.pass(10 * kMs);
  run.server.die(run.group, 1, run.now_ns);
  const Stats stats = run.stats();
  CHECK(stats.lost == stats.sent);
  CHECK(stats.acked == 0);
}

TEST_CASE("a CONNACK or PINGRESP that does not come ends the connection") {
  GroupPlan plan = window(1);
  plan.session.keep_alive_s = 40;
  Run run(open_loop(0.001), plan, 2);
  run.group.start_connecting(run.now_ns);
  run.pass(32 * kSecond, false);
  CHECK(run.server.aborted.size() == 2);
  CHECK(run.stats().errors.at("no CONNACK in time") == 2);

  Run silent(open_loop(0.001), plan);
  silent.go_online();
  silent.pass(31 * kSecond, false);
  silent.server.read_all();
  CHECK(silent.server.pings.size() == 1);
  silent.pass(42 * kSecond, false);
  CHECK(silent.stats().errors.at("no PINGRESP in time") == 1);

  Run alive(open_loop(0.001), plan);
  alive.go_online();
  alive.pass(300 * kSecond);
  CHECK(alive.stats().error_count() == 0);
  CHECK(alive.group.online() == 1);
}

TEST_CASE("the load begins without those that are not connected, unless they reconnect") {
  GroupPlan plan = window(10);
  plan.connecting_max = 2; // One gets its CONNACK, one waits for it, one has had no turn.
  Run run(open_loop(1000), plan, 3);
  run.group.start_connecting(run.now_ns);
  run.server.connecting.pop_back();
  run.server.accept(run.group, run.now_ns);
  run.group.on_open(1);
  run.begin();
  CHECK(run.server.aborted == std::set<std::uint32_t>{1});
  run.group.on_closed(1, "aborted", run.now_ns);
  CHECK(run.group.settled() == 3);
  CHECK(run.group.gone() == 2);
  CHECK(run.group.seen() == 1);
  run.pass(9 * kMs);
  CHECK(run.server.connecting.empty());
  run.group.stop(run.now_ns);
  const Stats stats = run.stats();
  CHECK(stats.acked == 4);
  CHECK(stats.unsent == 6);
  CHECK(stats.errors.at("no CONNACK in time") == 1);
  CHECK(stats.errors.at("connect: no turn in time") == 1);

  plan.reconnect = true;
  Run patient(open_loop(1000), plan, 3);
  patient.group.start_connecting(patient.now_ns);
  patient.begin();
  CHECK(patient.group.gone() == 0);
  patient.pass(9 * kMs);
  CHECK(patient.group.seen() == 3);
  CHECK(patient.stats().unsent == 0);
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

TEST_CASE("connections open at the rate of the ramp") {
  GroupPlan plan = window(1);
  plan.connects_per_s = 100;
  Run run(open_loop(1), plan, 1000);
  run.group.start_connecting(run.now_ns);
  run.pass(kSecond);
  CHECK(run.group.online() >= 100);
  CHECK(run.group.online() <= 102);
  run.pass(10 * kSecond);
  CHECK(run.group.settled() == 1000);
}

TEST_CASE("garbage from the server is counted once and the connection is given up") {
  Run run(open_loop(1000), window(10));
  run.go_online();
  run.begin();
  run.server.give(run.group, 0, std::string("\x40\x02\x77\x77", 4), run.now_ns);
  CHECK(run.server.aborted.count(0) == 1);
  run.group.on_closed(0, "closed", run.now_ns);
  const Stats stats = run.stats();
  CHECK(stats.errors.at("the server acknowledged an unknown packet identifier") == 1);
  CHECK(stats.connections_lost == 1);
  CHECK(stats.error_count() == 1 + stats.lost);
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
