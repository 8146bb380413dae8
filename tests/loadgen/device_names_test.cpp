#include <algorithm>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include "tests/loadgen/group_run.hpp"

using namespace spate;
using namespace spate::loadgen;

TEST_CASE("names by a rule count from the first, at {n} or at the end") {
  CHECK(DeviceNames("sensor-{n}-b", 7, 3).text(2) == "sensor-9-b");
  CHECK(DeviceNames("sensor-", 0, 3).text(2) == "sensor-2");
  CHECK(DeviceNames({"a", "b"}).text(1) == "b");
  CHECK(DeviceNames({"a", "b"}).size() == 2);
}

TEST_CASE("threads share the devices of a cohort without one left out or taken twice") {
  constexpr std::uint32_t kDevices = 103, kMembers = 10, kThreads = 3;
  const DeviceNames names("d", 0, kDevices);
  const DeviceNames clients("gw", 0, (kDevices + kMembers - 1) / kMembers);
  std::set<std::uint32_t> seen;
  for (std::uint32_t thread = 0; thread < kThreads; ++thread) {
    const std::uint32_t connections = (clients.size() + kThreads - 1 - thread) / kThreads;
    const DeviceShare share{&names, &clients, connections, kMembers, thread, kThreads};
    for (std::uint32_t c = 0; c < share.connections; ++c) {
      for (std::uint32_t m = 0; m < share.members_of(c); ++m) {
        CHECK(seen.insert(share.number(c, m)).second);
      }
    }
  }
  CHECK(seen.size() == kDevices);
  CHECK(*seen.rbegin() == kDevices - 1);
}

TEST_CASE("a gateway sends for each of its devices in turn, and acknowledges by device") {
  Run run(open_loop(1000), window(20), 23, wire::Version::v5, 10);
  REQUIRE(run.group.size() == 3);
  run.go_online();
  run.begin();
  run.pass(100 * kMs);
  std::set<std::string> topics;
  for (const auto& message : run.server.received) {
    topics.insert(message.topic);
  }
  CHECK(topics.size() == 23);
  CHECK(topics.count("devices/dev-22/telemetry") == 1);
  CHECK(run.stats().acked == run.server.received.size());
  CHECK(std::any_of(run.acked.begin(), run.acked.end(),
                    [](const LedgerRecord& record) { return record.device == 22; }));
}
