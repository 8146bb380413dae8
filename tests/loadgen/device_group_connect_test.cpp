// Who connects when, what is lost with a connection, and what comes back with a new one.
#include <algorithm>
#include <set>

#include "tests/loadgen/group_run.hpp"

using namespace spate;
using namespace spate::loadgen;

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
