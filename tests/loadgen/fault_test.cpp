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
    CHECK(fault.hits(i) == fault.hits(i));
  }
  CHECK(hit > 2'800);
  CHECK(hit < 3'200);
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
  CHECK(run.server.silent == 7);
  run.group.on_silent_closed();
  run.pass(40 * kMs);
  CHECK(run.server.silent == 0);
  const Stats stats = run.stats();
  CHECK(stats.half_open == 7);
  CHECK(stats.half_open_closed == 1);
}
