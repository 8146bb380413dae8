#include "loadgen/proof/received_source.hpp"

#include <doctest/doctest.h>

#include "loadgen/proof/verify.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

/// What was acknowledged and what a subscriber received.
struct Check {
  void promise(const char* device, std::int64_t ts, std::uint64_t hash) {
    REQUIRE(acked.add({devices.number(device), false, ts, hash}));
  }
  void receive(const char* device, std::int64_t ts, std::uint64_t hash, bool repeated = false) {
    REQUIRE(received.add({devices.number(device), repeated, ts, hash}));
  }
  void both(const char* device, std::int64_t ts, std::uint64_t hash) {
    promise(device, ts, hash);
    receive(device, ts, hash);
  }
  VerifyResult run() {
    REQUIRE(acked.finish());
    REQUIRE(received.finish());
    ReceivedSource source(received, devices, allow_doubled);
    auto result = Verifier(source, devices, stop).all(acked, [](const VerifyResult&) {}).value();
    REQUIRE(source.finish());
    result.repeated = source.repeated();
    result.unacknowledged += source.unasked();
    return result;
  }

  DeviceIndex devices;
  RecordSorter acked, received;
  bool allow_doubled = false;
  const std::atomic<bool> stop{false};
};

} // namespace

TEST_CASE("an acknowledged record that no subscriber received is named") {
  Check check;
  for (std::int64_t ts = 0; ts < 10; ++ts) {
    check.both("a", ts, 1);
    check.both("b", ts, 1);
  }
  check.promise("a", 10, 1);
  check.promise("silent", 3, 1);
  const auto result = check.run();
  CHECK_FALSE(result.ok());
  CHECK(result.missing == 2);
  CHECK(result.checked == 22);
  REQUIRE(result.findings.size() == 2);
  CHECK(result.findings[0].device == "a");
  CHECK(result.findings[0].ts == 10);
  CHECK(result.findings[1].device == "silent");
}

TEST_CASE("a copy with DUP is allowed, one without is named unless it is allowed too") {
  for (const bool allow : {false, true}) {
    Check check;
    check.allow_doubled = allow;
    check.both("a", 1, 1);
    check.receive("a", 1, 1, true);
    check.promise("a", 2, 1);
    check.receive("a", 2, 1, true); // Only ever with the mark: its first copy was lost.
    check.both("a", 3, 1);
    check.receive("a", 3, 1);
    const auto result = check.run();
    CHECK(result.ok() == allow);
    CHECK(result.doubled == (allow ? 0 : 1));
    CHECK(result.repeated == (allow ? 2 : 1));
    CHECK(result.missing == 0);
  }
}

TEST_CASE("other values than acknowledged are named, and what was not acknowledged is counted") {
  Check check;
  check.promise("a", 5, 1);
  check.receive("a", 5, 2);
  check.receive("a", 1, 1);
  check.receive("a", 9, 1);
  check.receive("stranger", 5, 1);
  const auto result = check.run();
  CHECK(result.differing == 1);
  CHECK(result.missing == 0);
  CHECK(result.unacknowledged == 4);
}

TEST_CASE("more records of a device than a page holds are all compared") {
  Check check;
  const auto count = static_cast<std::int64_t>(ReceivedSource::kPageRecords) * 2 + 5;
  for (std::int64_t ts = 0; ts < count; ++ts) {
    check.both("a", ts, 7);
    check.both("a", ts, 8);
  }
  const auto result = check.run();
  CHECK(result.ok());
  CHECK(result.records == static_cast<std::uint64_t>(2 * count));
  CHECK(result.pages == 5);
}
