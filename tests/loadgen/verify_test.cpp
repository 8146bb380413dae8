#include "loadgen/proof/verify.hpp"

#include <algorithm>
#include <map>

#include <doctest/doctest.h>

#include "loadgen/base/json_text.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

/// A pretended API with pages of `page` records.
struct FakeApi final : PageSource {
  Result<RecordPage> fetch(std::string_view device, std::int64_t from_ms, std::int64_t to_ms,
                           const std::string& cursor) override {
    ++fetches;
    if (broken) {
      return fail(Errc::connect_failed, "gone");
    }
    std::vector<StoredRecord> range;
    for (const StoredRecord& record : stored[std::string(device)]) {
      if (record.ts >= from_ms && record.ts < to_ms) {
        range.push_back(record);
      }
    }
    std::stable_sort(range.begin(), range.end(),
                     [](const auto& a, const auto& b) { return a.ts < b.ts; });
    const std::size_t start = cursor.empty() ? 0 : std::stoul(cursor);
    RecordPage result;
    const std::size_t end = std::min(start + page, range.size());
    result.records.assign(range.begin() + static_cast<std::ptrdiff_t>(start),
                          range.begin() + static_cast<std::ptrdiff_t>(end));
    if (stuck) {
      result.records.clear();
      result.next_cursor = std::to_string(1);
    } else if (end < range.size()) {
      result.next_cursor = std::to_string(end);
    }
    return result;
  }

  std::map<std::string, std::vector<StoredRecord>> stored;
  std::size_t page = 3;
  int fetches = 0;
  bool broken = false;
  bool stuck = false;
};

struct Check {
  void promise(std::string_view device, std::int64_t ts, std::uint64_t hash) {
    REQUIRE(acks.add({devices.number(device), false, ts, hash}));
  }
  void both(const std::string& device, std::int64_t ts, std::uint64_t hash) {
    promise(device, ts, hash);
    api.stored[device].push_back({ts, hash});
  }
  Result<VerifyResult> run() {
    REQUIRE(acks.finish());
    return Verifier(api, devices, stop).all(acks, [](const VerifyResult&) {});
  }

  FakeApi api;
  DeviceIndex devices;
  RecordSorter acks;
  std::atomic<bool> stop{false};
};

} // namespace

TEST_CASE("a record that is not there is named") {
  Check check;
  for (std::int64_t ts = 0; ts < 10; ++ts) {
    check.both("a", ts, 1);
  }
  check.promise("a", 10, 1);
  check.promise("never seen", 5, 1);
  const auto result = check.run().value();
  CHECK_FALSE(result.ok());
  CHECK(result.missing == 2);
  CHECK(result.checked == 12);
  REQUIRE(result.findings.size() == 2);
  CHECK(result.findings[0].device == "a");
  CHECK(result.findings[0].ts == 10);
  CHECK(result.findings[0].kind == Finding::Kind::missing);
  CHECK(result.findings[1].device == "never seen");
}

TEST_CASE("a record that is there twice is named, over the edge of a page too") {
  for (std::size_t page = 1; page < 8; ++page) {
    Check check;
    check.api.page = page;
    for (std::int64_t ts = 0; ts < 5; ++ts) {
      check.both("a", ts, 7);
    }
    check.api.stored["a"].push_back({3, 7});
    const auto result = check.run().value();
    CAPTURE(page);
    CHECK_FALSE(result.ok());
    CHECK(result.doubled == 1);
    CHECK(result.missing + result.differing == 0);
    REQUIRE(result.findings.size() == 1);
    CHECK(result.findings[0].ts == 3);
  }
}

TEST_CASE("a record whose values changed is named as different, not as missing") {
  Check check;
  check.both("a", 1, 7);
  check.promise("a", 2, 7);
  check.api.stored["a"].push_back({2, 8});
  const auto result = check.run().value();
  CHECK_FALSE(result.ok());
  CHECK(result.differing == 1);
  CHECK(result.missing == 0);
  CHECK(result.findings.at(0).kind == Finding::Kind::differing);
}

TEST_CASE("nothing checked is nothing shown") {
  Check nothing;
  CHECK_FALSE(nothing.run().value().ok());
  FakeApi api;
  const DeviceIndex none;
  const std::atomic<bool> stop{false};
  CHECK_FALSE(Verifier(api, none, stop).some({}, [](const VerifyResult&) {}).value().ok());
}

TEST_CASE("an API that fails, or whose cursor does not move, is no proof") {
  Check gone;
  gone.both("a", 1, 7);
  gone.api.broken = true;
  CHECK(gone.run().error().code == Errc::connect_failed);
  Check stuck;
  stuck.both("a", 1, 7);
  stuck.api.stuck = true;
  CHECK(stuck.run().error().code == Errc::malformed_payload);
  CHECK(stuck.api.fetches < 5);
  Check stopped;
  stopped.both("a", 1, 7);
  stopped.stop = true;
  CHECK_FALSE(stopped.run().value().ok());
}

TEST_CASE("only the first findings are kept, all are counted and told") {
  Check check;
  std::vector<std::int64_t> told;
  for (std::int64_t ts = 0; ts < 1000; ++ts) {
    check.promise("a", ts, 1);
  }
  REQUIRE(check.acks.finish());
  Verifier verifier(check.api, check.devices, check.stop,
                    [&told](const Finding& f) { told.push_back(f.ts); });
  const auto result = verifier.all(check.acks, [](const VerifyResult&) {}).value();
  CHECK(result.missing == 1000);
  REQUIRE(told.size() == 1000);
  CHECK(told.back() == 999);
  CHECK(result.findings.size() == VerifyResult::kFindingsMax);
}

TEST_CASE("records of one time with other values are different records") {
  Check check;
  for (std::uint64_t hash = 0; hash < 10; ++hash) {
    check.both("a", 5, 9 - hash);
    check.both("b", 5, hash);
  }
  const auto result = check.run().value();
  CHECK(result.ok());
  CHECK(result.records == 20);
}

TEST_CASE("what was acknowledged twice must be stored once; what was stored without is allowed") {
  Check check;
  check.both("a", 5, 1);
  check.promise("a", 5, 1); // Sent again after a lost connection.
  check.both("a", 9, 1);
  check.api.stored["a"].push_back({5, 2});
  check.api.stored["a"].push_back({7, 3});
  check.api.stored["a"].push_back({99, 3}); // After the last: not even asked for.
  const auto result = check.run().value();
  CHECK(result.ok());
  CHECK(result.lines == 3);
  CHECK(result.records == 2);
  CHECK(result.unacknowledged == 2);
}

TEST_CASE("a sample asks for its records alone and says that it is one") {
  Check check;
  for (std::int64_t ts = 0; ts < 1000; ++ts) {
    check.api.stored["a"].push_back({ts, 1});
  }
  const std::uint32_t a = check.devices.number("a");
  Verifier verifier(check.api, check.devices, check.stop);
  const auto ignore = [](const VerifyResult&) {};
  const auto good =
      verifier.some({{{a, false, 5, 1}, {a, false, 5, 1}, {a, false, 700, 1}}, 999}, ignore)
          .value();
  CHECK(good.ok());
  CHECK(good.records == 2);
  CHECK(good.lines == 999);
  CHECK(good.sampled == 3);
  CHECK(check.api.fetches == 2);
  const auto bad = verifier.some({{{a, false, 5, 2}, {a, false, 5000, 1}}, 2}, ignore).value();
  CHECK(bad.differing == 1);
  CHECK(bad.missing == 1);
}

TEST_CASE("an answer that is no page is refused") {
  for (const std::string_view bad :
       {"", "[]", "{}", R"({"records":{}})", R"({"records":[5]})", R"({"records":[{}]})",
        R"({"records":[{"ts":1}]})", R"({"records":[{"values":{}}]})",
        R"({"records":[{"ts":"1","values":{}}]})", R"({"records":[{"ts":1.5,"values":{}}]})",
        R"({"records":[{"ts":1,"values":[]}]})", R"({"records":[],"next_cursor":"\x"})"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_page(bad));
  }
}

TEST_CASE("a page is read in full, values by their text") {
  const auto page = parse_page(R"({"device":"a","records":[
    {"ts":5,"received_ts":6,"ts_source":"device","values":{"temp":18.90,"on":true}},
    {"values":{},"ts":7}],"next_cursor":"c\u0041="})")
                        .value();
  REQUIRE(page.records.size() == 2);
  CHECK(page.records[0].ts == 5);
  CHECK(page.records[0].hash == values_hash(R"({"on":true,"temp":18.90})").value());
  CHECK(page.records[0].hash != values_hash(R"({"on":true,"temp":18.9})").value());
  CHECK(page.records[1].ts == 7);
  CHECK(page.next_cursor == "cA=");
  CHECK(parse_page(R"({"records":[],"next_cursor":null})").value().next_cursor.empty());
}
