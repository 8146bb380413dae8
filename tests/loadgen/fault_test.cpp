#include <doctest/doctest.h>

#include "tests/loadgen/group_run.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

GroupPlan with_fault(ConnectionFault fault) {
  GroupPlan plan = reconnecting(100);
  fault.seed = 7;
  plan.faults = {fault};
  return plan;
}

ConnectionFault fault_of(ConnectionFault::Kind kind, std::int64_t at_ns, std::int64_t until_ns) {
  ConnectionFault fault;
  fault.kind = kind;
  fault.at_ns = at_ns;
  fault.until_ns = until_ns;
  return fault;
}

} // namespace

TEST_CASE("a share of connections means that share, the same ones for the same seed") {
  ConnectionFault fault;
  fault.share = 0.3;
  int hit = 0;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    hit += fault.hits(i) ? 1 : 0;
  }
  CHECK(hit > 2'800);
  CHECK(hit < 3'200);
  const auto first_64 = [](const ConnectionFault& of) {
    std::uint64_t bits = 0;
    for (std::uint32_t i = 0; i < 64; ++i) {
      bits |= std::uint64_t{of.hits(i)} << i;
    }
    return bits;
  };
  CHECK(first_64(fault) == 94595461109318080u); // Recorded: a seed must repeat a run of last year.
  ConnectionFault other = fault;
  other.seed = 2;
  CHECK(first_64(other) != first_64(fault));
  fault.share = 1;
  CHECK(fault.hits(0));
}

TEST_CASE("a reconnect storm cuts at once, and all come back within its time") {
  auto fault = fault_of(ConnectionFault::Kind::cut, 100 * kMs, 100 * kMs);
  fault.back_within_ns = 50 * kMs;
  Run run(open_loop(1000), with_fault(fault), 20);
  run.go_online();
  run.begin();
  run.pass(99 * kMs);
  CHECK(run.server.aborted.empty());
  run.pass(2 * kMs);
  CHECK(run.server.aborted.size() == 20);
  run.server.lapse(run.group, run.now_ns);
  CHECK(run.group.online() == 0);
  run.pass(60 * kMs);
  CHECK(run.group.online() == 20);
  const Stats stats = run.stats();
  CHECK(stats.connections_cut == 20);
  CHECK(stats.connections_lost == 0);
  CHECK(stats.error_count() == 0);
  CHECK(stats.lost == 0);
}

TEST_CASE("a silent cut leaves the old connection to the server and comes back on another") {
  Run run(open_loop(1000),
          with_fault(fault_of(ConnectionFault::Kind::silence, 100 * kMs, 300 * kMs)), 4);
  run.go_online();
  run.begin();
  run.pass(101 * kMs);
  CHECK(run.server.parked.size() == 4);
  CHECK(run.server.aborted.empty());
  CHECK(run.group.online() == 0);
  run.pass(190 * kMs);
  CHECK(run.group.online() == 0);
  run.pass(20 * kMs);
  CHECK(run.group.online() == 4);
  run.group.stop(run.now_ns);
  run.pass(100 * kMs);
  const Stats stats = run.stats();
  CHECK(stats.acked == stats.sent); // What was due meanwhile was sent late, with its lateness.
  CHECK(ms(stats.latency.max()) > 190);
}

TEST_CASE("a silent cut without an end takes its devices away for good, which is nobody's loss") {
  auto fault = fault_of(ConnectionFault::Kind::silence, 100 * kMs, Load::kNever);
  fault.back_within_ns = 50 * kMs;
  Run run(open_loop(1000), with_fault(fault), 2);
  run.go_online();
  run.begin();
  run.pass(95 * kMs);
  run.pass(10 * kMs, false); // Some are on their way when it happens.
  run.pass(10 * kSecond);
  CHECK(run.server.parked.size() == 2);
  CHECK(run.server.parked_until_ns == Load::kNever);
  CHECK(run.group.online() == 0);
  CHECK(run.group.gone() == 2);
  run.group.stop(run.now_ns);
  run.pass(kMs);
  run.group.finish(run.now_ns);
  const Stats stats = run.stats();
  CHECK(stats.connects == 2);
  CHECK(stats.cut_unknown > 0);
  CHECK(stats.withheld > 9'000);
  CHECK(stats.sent == stats.acked + stats.cut_unknown);
  CHECK(stats.lost + stats.unsent + stats.error_count() == 0);
}

TEST_CASE("a silent connection is kept for a while beside its successor") {
  Run run(open_loop(1000),
          with_fault(fault_of(ConnectionFault::Kind::silence, 100 * kMs, 300 * kMs)), 1);
  run.go_online();
  const std::int64_t begin_ns = run.now_ns;
  run.begin();
  run.pass(200 * kMs);
  CHECK(run.server.parked_until_ns == begin_ns + 300 * kMs + 30 * kSecond);
}

TEST_CASE("what a storm took of QoS 0 is unknown, not lost; what a server closes on is lost") {
  GroupPlan plan = with_fault(fault_of(ConnectionFault::Kind::cut, 50 * kMs, 50 * kMs));
  plan.session.qos = 0;
  Run run(open_loop(1000), plan, 2);
  run.go_online();
  run.begin();
  run.pass(51 * kMs);
  run.server.lapse(run.group, run.now_ns);
  CHECK(run.stats().cut_unknown >= 49);
  CHECK(run.stats().lost == 0);
  CHECK(run.stats().error_count() == 0);
  run.pass(50 * kMs);
  run.server.die(run.group, 2, run.now_ns);
  CHECK(run.stats().lost > 0);
}

TEST_CASE("a message that is wrong on purpose is not sent again, and is not lost") {
  for (const bool session_present : {false, true}) {
    GeneratedPlan load = open_loop(1000);
    MessageFaultPlan malformed;
    malformed.end_ns = 5 * kMs;
    load.faults = {malformed};
    Run run(load, reconnecting(100));
    run.go_online();
    run.begin();
    run.pass(10 * kMs, false);
    run.server.read_all();
    REQUIRE(run.server.received.size() == 11);
    run.server.die(run.group, 1, run.now_ns); // It does not like the first one.
    run.server.received.clear();
    run.server.session_present = session_present;
    run.group.stop(run.now_ns);
    run.pass(kSecond);
    CHECK(run.server.received.size() == 6);
    CHECK(run.group.drained());
    const Stats stats = run.stats();
    CHECK(stats.faulty_unanswered == 5);
    CHECK(stats.resent == 6);
    CHECK(stats.acked == 6);
    CHECK(stats.lost == 0);
  }
}

TEST_CASE("a message that is wrong on purpose and unanswered at the end is not lost either") {
  GeneratedPlan load = open_loop(1000);
  MessageFaultPlan malformed;
  malformed.end_ns = 5 * kMs;
  load.faults = {malformed};
  Run run(load, window(100));
  run.go_online();
  run.begin();
  run.pass(10 * kMs, false);
  run.server.die(run.group, 1, run.now_ns);
  CHECK(run.stats().faulty_unanswered == 5);
  CHECK(run.stats().lost == 6);
  CHECK(run.group.in_flight() == 0);

  Run unproven(load, window(100, 0));
  unproven.go_online();
  unproven.begin();
  unproven.pass(10 * kMs);
  unproven.group.stop(unproven.now_ns);
  unproven.pass(kSecond);
  CHECK(unproven.stats().faulty_unanswered == 5);
  CHECK(unproven.stats().acked == 6);
}

TEST_CASE("a slow reader without an end stays slow, on its next connection too") {
  auto fault = fault_of(ConnectionFault::Kind::slow_read, 0, Load::kNever);
  fault.bytes_per_s = 100;
  Run run(open_loop(1000), with_fault(fault), 2);
  run.go_online();
  run.begin();
  run.pass(100 * kMs);
  CHECK(run.server.paused == std::set<std::uint32_t>{0, 1});
  run.server.die(run.group, 2, run.now_ns);
  run.server.paused.clear(); // Of the old connections.
  run.pass(3 * kSecond);
  CHECK(run.group.online() == 2);
  CHECK(run.server.paused == std::set<std::uint32_t>{0, 1});
}

TEST_CASE("slow readers that end at different times do not take each other's place") {
  GroupPlan plan = reconnecting(100);
  for (int i = 0; i < 2; ++i) {
    auto fault = fault_of(ConnectionFault::Kind::slow_read, i * kMs, (100 + 4'900 * i) * kMs);
    fault.bytes_per_s = 100;
    fault.share = i == 0 ? 0.5 : 1;
    fault.seed = 3;
    plan.faults.push_back(fault);
  }
  Run run(open_loop(4000), plan, 8);
  run.go_online();
  run.begin();
  run.pass(90 * kMs);
  CHECK(run.server.paused.size() == 8);
  run.pass(4 * kSecond);
  std::set<std::uint32_t> slow;
  for (std::uint32_t i = 0; i < 8; ++i) {
    if (!plan.faults[0].hits(i)) {
      slow.insert(i);
    }
  }
  REQUIRE(!slow.empty());
  REQUIRE(slow.size() < 8);
  CHECK(run.server.paused == slow);
  run.pass(kSecond);
  CHECK(run.server.paused.empty());
}

TEST_CASE("a slow reader is not left for a PINGRESP that it has not read itself") {
  auto fault = fault_of(ConnectionFault::Kind::slow_read, 0, 200 * kSecond);
  fault.bytes_per_s = 100;
  GroupPlan plan = with_fault(fault);
  plan.session.keep_alive_s = 20;
  Run run(open_loop(0.001), plan);
  run.go_online();
  run.begin();
  run.pass(150 * kSecond, false);
  run.server.read_all();
  CHECK(run.server.pings.size() > 5); // The server must not think that it is dead.
  CHECK(run.server.aborted.empty());
  run.pass(60 * kSecond); // Quick again, and answered.
  CHECK(run.server.aborted.empty());
  run.pass(60 * kSecond, false); // From now on silence means what it means.
  CHECK(run.server.aborted.count(0) == 1);
}

TEST_CASE("a slow reader takes its bytes at its rate") {
  auto fault = fault_of(ConnectionFault::Kind::slow_read, 0, 500 * kMs);
  fault.bytes_per_s = 100;
  Run run(open_loop(1000), with_fault(fault), 1);
  run.go_online();
  run.begin();
  run.pass(kMs);
  CHECK(run.server.paused.count(0) == 0);
  run.pass(100 * kMs); // Acknowledgements of 4 bytes: 100 bytes/s is 25 of them.
  CHECK(run.server.paused.count(0) == 1);
  run.pass(450 * kMs, false);
  CHECK(run.server.paused.count(0) == 0);
}

TEST_CASE("expired credentials are refused until they are renewed") {
  Run run(open_loop(100),
          with_fault(fault_of(ConnectionFault::Kind::wrong_credentials, 50 * kMs, 400 * kMs)), 2);
  run.go_online();
  run.begin();
  for (int step = 0; step < 350; ++step) {
    run.pass(kMs);
    run.server.lapse(run.group, run.now_ns);
  }
  CHECK(run.server.refused >= 2);
  CHECK(run.group.online() == 0);
  // As the scenario wants it: no failures.
  CHECK(run.stats().refused_expired + 2 >= static_cast<std::uint64_t>(run.server.refused));
  CHECK(run.stats().refused_expired > 0);
  CHECK(run.stats().connect_failures == 0);
  CHECK(run.stats().error_count() == 0);
  for (int step = 0; step < 4'000; ++step) {
    run.pass(kMs);
    run.server.lapse(run.group, run.now_ns);
  }
  CHECK(run.server.last_password.empty());
  CHECK(run.group.online() == 2);
  CHECK(run.stats().lost == 0);
}

TEST_CASE("half-open connections are opened, counted, and closed at the end of the fault") {
  auto fault = fault_of(ConnectionFault::Kind::half_open, 10 * kMs, 50 * kMs);
  fault.count = 7;
  Run run(open_loop(100), with_fault(fault), 1);
  run.go_online();
  run.begin();
  run.pass(20 * kMs);
  CHECK(run.server.silent[0] == 7);
  for (int i = 0; i < 7; ++i) {
    i < 5 ? run.group.on_silent_open() : run.group.on_silent_failed("connection refused");
  }
  run.group.on_silent_closed();
  run.pass(40 * kMs);
  CHECK(run.server.silent.empty());
  const Stats stats = run.stats();
  CHECK(stats.half_open == 5);
  CHECK(stats.half_open_closed == 1);
  CHECK(stats.errors.at("half-open: connection refused") == 2);
}

TEST_CASE("of two half-open faults the first that ends leaves the other's connections") {
  GroupPlan plan = reconnecting(100);
  for (int i = 0; i < 2; ++i) {
    plan.faults.push_back(
        fault_of(ConnectionFault::Kind::half_open, 10 * kMs, (50 + 50 * i) * kMs));
    plan.faults.back().count = 3;
  }
  Run run(open_loop(100), plan, 1);
  run.go_online();
  run.begin();
  run.pass(60 * kMs);
  CHECK(run.server.silent == std::map<std::size_t, int>{{1, 3}});
}

TEST_CASE("all half-open connections are opened, however many threads share few devices") {
  auto fault = fault_of(ConnectionFault::Kind::half_open, 0, kSecond);
  fault.count = 10;
  const DeviceNames names("d{n}", 0, 3);
  int opened = 0;
  for (std::uint32_t thread = 0; thread < 3; ++thread) { // The fourth has no group.
    const DeviceShare share{&names, &names, 1, 1, thread, 4};
    FakeServer server;
    DeviceGroup group(with_fault(fault), share, nullptr, server);
    group.start_connecting(kSecond);
    group.begin(kSecond, 0, kSecond, 0);
    group.tick(2 * kSecond - 1, 0);
    opened += server.silent[0];
  }
  CHECK(opened == 10);
}
