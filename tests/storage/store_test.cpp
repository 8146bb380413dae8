#include "tests/storage/store_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

namespace {

constexpr std::int64_t kMs = 1'000'000;

} // namespace

TEST_SUITE("store") {
  TEST_CASE("an unknown device is an error, not an empty list") {
    Fixture f;
    f.open();
    ScanRequest request;
    request.device = "nobody";
    const auto page = f.store->scan(request);
    REQUIRE_FALSE(page);
    CHECK(page.error().code == Errc::device_unknown);
    CHECK(f.store->last("nobody").error().code == Errc::device_unknown);
  }

  TEST_CASE("what was committed is read back, before and after a restart") {
    Fixture f;
    f.open();
    CHECK(f.put("d", 10 * kMs, "22.5") == model::RowOutcome::stored);
    CHECK(f.put("d", 20 * kMs + 7, "-0.001") == model::RowOutcome::stored);
    const Texts expected = {"10000000=22.5", "20000007=-0.001"};
    CHECK(f.texts(f.all("d")) == expected);
    f.reopen();
    CHECK(f.texts(f.all("d")) == expected);
    CHECK(f.texts(f.all("d", true)) == Texts{expected[1], expected[0]});
    const auto records = f.all("d");
    CHECK(records[0].received_ms == 1'700'000'000'000);
    CHECK(records[0].source == model::TsSource::device);
    CHECK(records[0].tie == records[1].tie); // Each is the first of its time.
  }

  TEST_CASE("the receipt carries the device's number, and the number alone finds the device") {
    Fixture f;
    f.open();
    auto make = f.maker();
    make.message("d", 1).row(kMs, "1");
    const auto first = f.commit(make);
    REQUIRE(first->messages[0].device != model::DeviceNumber::unknown);
    make.message("", 2).row(2 * kMs, "2");
    make.block().messages[0].device = first->messages[0].device;
    const auto second = f.commit(make);
    CHECK(second->rows[0].outcome == model::RowOutcome::stored);
    CHECK(f.all("d").size() == 2);
  }

  TEST_CASE("rows are sealed into blocks and late ones still come in order") {
    Fixture f;
    f.options.seal_rows = 4;
    f.open();
    for (int i = 0; i < 40; ++i) {
      f.put("d", (100 + i) * kMs, std::to_string(i));
    }
    for (int i = 0; i < 10; ++i) { // Long sealed times.
      f.put("d", (100 + i) * kMs + 1, std::to_string(1000 + i));
    }
    CHECK(f.store->stats().blocks_sealed > 10);
    for (const bool restarted : {false, true}) {
      if (restarted) {
        f.reopen();
      }
      const auto records = f.all("d");
      REQUIRE(records.size() == 50);
      for (std::size_t i = 1; i < records.size(); ++i) {
        CHECK(records[i - 1].time_ns < records[i].time_ns);
      }
      CHECK(Fixture::text_of(records[1]) == "1000");
    }
  }
}
