// Devices that are known without a record: they subscribed to their commands.
#include <random>

#include "tests/storage/live_fixture.hpp"
#include "tests/storage/power_fs.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

namespace {

std::unique_ptr<model::TelemetryBlock> see(Fixture& f, const std::string& device,
                                           std::int64_t received_ms = 1000) {
  auto make = f.maker();
  make.message(device, received_ms);
  make.block().messages.back().seen = true;
  return f.commit(make, static_cast<std::uint16_t>(f.store->shard_of(device)));
}

bool knows(const Fixture& f, const std::string& device) {
  const auto known = f.store->knows(device);
  REQUIRE(known);
  return *known;
}

} // namespace

TEST_SUITE("seen devices") {
  TEST_CASE("a device that was seen is known and listed without a record, also after a restart") {
    Fixture f;
    f.open();
    CHECK_FALSE(knows(f, "d"));
    const auto block = see(f, "d");
    CHECK(block->status == model::CommitStatus::committed);
    CHECK(block->messages[0].device != model::DeviceNumber::unknown);
    for (int restart = 0; restart < 2; ++restart) {
      CHECK(knows(f, "d"));
      const auto page = f.store->devices("", 10);
      REQUIRE(page);
      REQUIRE(page->devices.size() == 1);
      CHECK(page->devices[0].id == "d");
      CHECK(page->devices[0].first_seen_ms == 1000);
      CHECK(page->devices[0].last_seen_ms == 0);
      CHECK(f.all("d").empty());
      CHECK(f.store->last("d")->records.empty());
      CHECK(f.store->stats().rows_stored == 0);
      f.reopen();
    }
    f.put("d", 5, "1");
    CHECK(f.store->devices("", 10)->devices[0].first_seen_ms == 1000);
    CHECK(f.store->devices("", 10)->devices[0].last_seen_ms == f.received_ms - 1);
    f.reopen();
    CHECK(f.all("d").size() == 1);
    CHECK(f.store->devices("", 10)->devices[0].last_seen_ms == f.received_ms - 1);
  }

  TEST_CASE("a device that has rows is known, and seeing it again writes nothing") {
    LiveFixture f;
    f.open();
    auto make = f.maker();
    make.message("rows", 1).row(1, "1");
    f.commit(make);
    make.message("seen", 1);
    make.block().messages.back().seen = true;
    f.commit(make);
    CHECK(f.live->knows("rows"));
    for (const char* device : {"rows", "seen"}) {
      make.message(device, 2);
      make.block().messages.back().seen = true;
      f.commit(make);
      CHECK(f.live->last().empty());
    }
    make.message("both", 2).row(1, "1");
    make.block().messages.back().seen = true;
    make.message("both", 2);
    make.block().messages.back().seen = true;
    CHECK(f.count(*f.commit(make), model::RowOutcome::stored) == 1);
    CHECK(f.live->knows("both"));
    CHECK(f.devices_total == 3);
  }

  TEST_CASE("a message without rows that is not `seen` makes no device") {
    Fixture f;
    f.open();
    auto make = f.maker();
    make.message("d", 1);
    CHECK(f.commit(make)->messages[0].device == model::DeviceNumber::unknown);
    CHECK_FALSE(knows(f, "d"));
  }

  TEST_CASE("a device beyond the limit or without a valid id is not made, and nothing breaks") {
    Fixture f;
    f.options.devices_max = 1;
    f.open();
    CHECK(see(f, "a/b")->messages[0].device == model::DeviceNumber::unknown);
    see(f, "first");
    const auto block = see(f, "second");
    CHECK(block->status == model::CommitStatus::committed);
    CHECK(block->messages[0].device == model::DeviceNumber::unknown);
    CHECK_FALSE(knows(f, "second"));
    CHECK_FALSE(knows(f, "a/b"));
    CHECK(f.store->rejections({})->rejections.empty());
    CHECK(f.put("first", 1, "1") == model::RowOutcome::stored);
  }

  TEST_CASE("a closed store can not tell who is known") {
    Fixture f;
    f.open();
    see(f, "d");
    f.store->stop();
    CHECK(f.store->knows("d").error().code == Errc::storage_unavailable);
  }

  TEST_CASE("a device whose commit failed is not known; seen again, it survives a power cut") {
    Fixture f;
    const auto fs = std::make_shared<PowerFs>();
    PowerEnv env(fs);
    f.internals.env = &env;
    f.options.durability = Durability::fsync;
    f.open();
    see(f, "a");
    fs->fail_next_of_wal(PowerFs::Fault::write_eio);
    CHECK(see(f, "d")->status == model::CommitStatus::unavailable);
    while (see(f, "other")->status != model::CommitStatus::committed) {
      std::this_thread::yield();
    }
    CHECK(knows(f, "a"));
    CHECK_FALSE(knows(f, "d"));
    CHECK(see(f, "d")->status == model::CommitStatus::committed);
    f.store.reset();
    std::mt19937 random(7);
    fs->cut(random, true);
    f.open();
    for (const char* device : {"a", "other", "d"}) {
      CHECK(knows(f, device));
    }
    f.store.reset();
  }
}
