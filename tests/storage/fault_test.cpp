#include <set>
#include <thread>

#include "storage/reopen_pause.hpp"
#include "storage/rocks_options.hpp"
#include "tests/storage/fault_times.hpp"
#include "tests/storage/live_fixture.hpp"
#include "tests/storage/power_fs.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

namespace {

struct FaultyFixture : Fixture {
  std::shared_ptr<PowerFs> fs = std::make_shared<PowerFs>();
  PowerEnv env{fs};

  FaultyFixture() {
    internals.env = &env;
    options.durability = Durability::fsync;
    options.seal_rows = 4;
  }
  ~FaultyFixture() {
    fs->clear();
    store.reset();
  }
  std::unique_ptr<model::TelemetryBlock> try_put(const std::string& device, std::int64_t time_ns) {
    auto make = maker();
    make.message(device, received_ms++).row(time_ns, std::to_string(time_ns));
    return commit(make, static_cast<std::uint16_t>(store->shard_of(device)));
  }
  /// The device sends again until it is heard, as devices do.
  void put_until_stored(const std::string& device, std::int64_t time_ns) {
    while (try_put(device, time_ns)->status != model::CommitStatus::committed) {
      std::this_thread::yield();
    }
  }
  std::set<std::int64_t> times(const std::string& device) {
    std::set<std::int64_t> out;
    for (const StoredRecord& record : all(device)) {
      CHECK_MESSAGE(out.insert(record.time_ns).second, "a record is there twice");
    }
    return out;
  }
};

/// Acknowledged records that are not there after the `n`-th operation of a kind failed.
std::size_t lost_when_it_fails(PowerFs::Fault fault, std::uint64_t n, Durability durability) {
  FaultyFixture f;
  f.options.durability = durability;
  f.internals.window_bytes = 128;
  f.options.log_bytes_max = 256;
  f.open();
  if (durability == Durability::memory) {
    f.try_put("d", -2); // The device is to be known; when the next is answered, this is written.
    f.try_put("d", -1);
  }
  f.fs->fail_once(fault, n);
  std::set<std::int64_t> acknowledged;
  for (std::int64_t time = 1; time <= 30 + static_cast<std::int64_t>(n); ++time) {
    if (f.try_put("d", time)->status == model::CommitStatus::committed) {
      acknowledged.insert(time);
    }
  }
  f.fs->clear();
  f.put_until_stored("d", 1'000'000);
  std::size_t lost = 0;
  for (int restart = 0; restart < 2; ++restart) {
    const auto times = f.times("d");
    lost += static_cast<std::size_t>(
        std::count_if(acknowledged.begin(), acknowledged.end(),
                      [&](std::int64_t time) { return times.count(time) == 0; }));
    f.reopen();
  }
  return lost;
}

} // namespace

TEST_SUITE("faults") {
  TEST_CASE("after a failed sync nothing is acknowledged until the directory was reopened") {
    FaultyFixture f;
    f.open();
    f.put("d", 1, "1");
    f.fs->fail(PowerFs::Fault::sync_eio);
    const auto refused = f.try_put("d", 2);
    CHECK(refused->status == model::CommitStatus::unavailable);
    CHECK(refused->status_detail == "fdatasync: Input/output error");
    CHECK(refused->messages[0].device == model::DeviceNumber::unknown);
    // Reopening needs a sync as well, so it goes on failing.
    for (int i = 0; i < 3; ++i) {
      CHECK(f.try_put("d", 3)->status == model::CommitStatus::unavailable);
      const auto health = f.store->health();
      CHECK_FALSE(health[0].ok);
      CHECK(health[0].detail.find("Input/output error; reopening") != std::string::npos);
    }
    f.fs->clear();
    f.put_until_stored("d", 4);
    CHECK(f.store->health()[0].ok);
    CHECK(f.store->stats().reopens == 1);
    const auto times = f.times("d");
    CHECK(times.count(1) == 1);
    CHECK(times.count(4) == 1);
  }

  TEST_CASE("counts do not fall when a directory is closed and opened again") {
    FaultyFixture f;
    f.options.seal_rows = 1;
    f.open();
    for (int i = 1; i < 10; ++i) {
      f.put("d", i, "1");
    }
    const StoreStats before = f.store->stats();
    CHECK(before.wal_bytes > 0);
    CHECK(before.sealed_bytes > 0);
    CHECK(before.disk_used_bytes > 0);
    f.fs->fail(PowerFs::Fault::sync_eio);
    CHECK(f.try_put("d", 10)->status == model::CommitStatus::unavailable);
    const auto not_less = [&] {
      const StoreStats now = f.store->stats();
      CHECK(now.wal_bytes >= before.wal_bytes);
      CHECK(now.sealed_bytes >= before.sealed_bytes);
      CHECK(now.flush_bytes >= before.flush_bytes);
    };
    for (int i = 0; i < 3; ++i) {
      (void)f.try_put("d", 11);
    }
    while (f.store->stats().tail_fixed_bytes != 0) { // Till it is closed.
      not_less();
    }
    not_less();
    f.fs->clear();
    f.put_until_stored("d", 12);
    not_less();
  }

  TEST_CASE("whoever is refused because the directory failed finds it closed to readers too") {
    struct ReadingSink final : model::ReceiptSink {
      void on_receipt(std::unique_ptr<model::TelemetryBlock> block) override {
        if (block->status == model::CommitStatus::unavailable) {
          ScanRequest request;
          request.device = "d";
          readable = readable || store->scan(request).has_value();
        }
        next->on_receipt(std::move(block));
      }
      Store* store = nullptr;
      model::ReceiptSink* next = nullptr;
      bool readable = false;
    } sink;
    FaultyFixture f;
    f.open();
    f.put("d", 1, "1");
    sink.store = f.store.get();
    sink.next = &f.receipts;
    f.fs->fail(PowerFs::Fault::sync_eio);
    auto make = f.maker();
    make.message("d", f.received_ms++).row(2, "2");
    f.store->submit(make.take(model::ShardId{}, sink));
    CHECK(f.receipts.wait(1).front()->status == model::CommitStatus::unavailable);
    CHECK_FALSE(sink.readable);
  }

  TEST_CASE("a record whose sync failed, sent again and acknowledged, survives a power cut") {
    for (const bool reopened : {false, true}) {
      CAPTURE(reopened);
      FaultyFixture f;
      f.open();
      f.put("d", 1, "1");
      f.fs->fail(PowerFs::Fault::sync_eio);
      CHECK(f.try_put("d", 2)->status == model::CommitStatus::unavailable);
      f.fs->clear();
      if (reopened) {
        f.reopen();
      }
      // What the failed commit wrote is in the page cache, so this is recognised as a repeat.
      f.put_until_stored("d", 2);
      f.store.reset();
      std::mt19937 random(1);
      f.fs->cut(random, false);
      f.open();
      CHECK(f.times("d") == std::set<std::int64_t>{1, 2});
    }
  }

  TEST_CASE("a full disk is answered as full, and taken back by itself") {
    FaultyFixture f;
    f.open();
    f.put("d", 1, "1");
    f.fs->fail(PowerFs::Fault::write_enospc);
    CHECK(f.try_put("d", 2)->status == model::CommitStatus::full);
    CHECK(f.try_put("d", 3)->status == model::CommitStatus::full);
    f.fs->clear();
    f.put_until_stored("d", 4);
    CHECK(f.times("d").count(1) == 1);
  }

  TEST_CASE("a full disk is known as one, also within another error of RocksDB") {
    const auto inner =
        rocksdb::Status::NoSpace("While appending to file: x", "No space left on device");
    const auto wrapped = rocksdb::Status::IOError("Unable to persist options.", inner.ToString());
    CHECK_FALSE(wrapped.IsNoSpace());
    CHECK(is_no_space(wrapped));
    CHECK(error_of(wrapped).code == Errc::storage_full);
    CHECK_FALSE(is_no_space(rocksdb::Status::IOError("While fdatasync: x", "Input/output error")));
  }

  TEST_CASE("one directory fails, the other goes on") {
    FaultyFixture f;
    f.options.data_dirs.push_back(f.dir.sub("b"));
    f.options.shards = 2;
    f.open();
    std::string device[2];
    for (int i = 0; device[0].empty() || device[1].empty(); ++i) {
      const std::string name = "d" + std::to_string(i);
      device[static_cast<std::size_t>(f.store->shard_of(name))] = name;
    }
    f.put(device[0], 1, "1");
    f.put(device[1], 1, "1");
    f.fs->fail_next_of_wal(PowerFs::Fault::sync_eio);
    CHECK(f.try_put(device[0], 2)->status == model::CommitStatus::unavailable);
    CHECK(f.put(device[1], 2, "2") == model::RowOutcome::stored);
    CHECK(f.store->health()[1].ok);
    f.put_until_stored(device[0], 3);
    CHECK(f.times(device[0]).count(1) == 1);
  }

  TEST_CASE("a flush in the background that fails closes its directory only, until it works") {
    for (const auto fault : {PowerFs::Fault::write_eio, PowerFs::Fault::write_enospc}) {
      FaultyFixture f;
      f.options.data_dirs.push_back(f.dir.sub("b"));
      f.options.shards = 2;
      f.options.log_bytes_max = 2u << 10;
      f.internals.window_bytes = 512;
      f.internals.block_buffer_bytes = 64u << 10;
      f.open();
      std::string device[2];
      for (int i = 0; device[0].empty() || device[1].empty(); ++i) {
        const std::string name = "d" + std::to_string(i);
        device[static_cast<std::size_t>(f.store->shard_of(name))] = name;
      }
      std::set<std::int64_t> acknowledged;
      f.put(device[1], 1, "1");
      // Tables only: the log goes on, so that no commit fails by itself.
      f.fs->fail(fault, ".sst");
      auto status = model::CommitStatus::committed;
      for (std::int64_t time = 1; status == model::CommitStatus::committed; ++time) {
        REQUIRE(time < 100'000);
        status = f.try_put(device[0], time)->status;
        if (status == model::CommitStatus::committed) {
          acknowledged.insert(time);
        }
      }
      CHECK(status == (fault == PowerFs::Fault::write_enospc ? model::CommitStatus::full
                                                             : model::CommitStatus::unavailable));
      // Opening needs tables too, so it stays closed: for readers with a reason, and at once.
      ScanRequest request;
      request.device = device[0];
      const auto page = f.store->scan(request);
      REQUIRE_FALSE(page);
      CHECK(page.error().code == Errc::storage_unavailable);
      CHECK_FALSE(f.store->health()[0].ok);
      CHECK(f.store->with_databases([](auto&&...) { return Result<void>(); }).error().code ==
            Errc::storage_unavailable);
      CHECK(f.put(device[1], 2, "2") == model::RowOutcome::stored);
      CHECK(f.times(device[1]) == std::set<std::int64_t>{1, 2});
      f.fs->clear();
      f.put_until_stored(device[0], 1'000'000);
      const auto times = f.times(device[0]);
      for (const std::int64_t time : acknowledged) {
        CHECK_MESSAGE(times.count(time) == 1, "lost: ", time);
      }
      CHECK(f.store->stats().reopens >= 1);
    }
  }

  TEST_CASE("a backup keeps nobody from closing a database that failed") {
    FaultyFixture f;
    f.open();
    f.put("d", 1, "1");
    bool told = false;
    std::thread backup([&] {
      const auto used = f.store->with_databases(
          [&](const std::string&, rocksdb::DB&, const std::function<bool()>& closing) {
            f.fs->fail_next_of_wal(PowerFs::Fault::sync_eio);
            CHECK(f.try_put("d", 2)->status == model::CommitStatus::unavailable);
            while (!closing()) {
              std::this_thread::yield();
            }
            told = true;
            return Result<void>();
          });
      CHECK(used);
    });
    backup.join();
    CHECK(told);
    f.put_until_stored("d", 3);
  }

  TEST_CASE("device numbers keep their meaning when the commit that made them failed") {
    FaultyFixture f;
    f.open();
    f.put("a", 1, "1");
    f.fs->fail_next_of_wal(PowerFs::Fault::write_eio);
    CHECK(f.try_put("lost", 2)->status == model::CommitStatus::unavailable);
    f.put_until_stored("b", 3);
    // Its row may have reached the log in part only; before it sends again nobody knows it.
    CHECK(f.store->last("lost").error().code == Errc::device_unknown);
    f.put_until_stored("lost", 4);
    CHECK(f.times("b") == std::set<std::int64_t>{3});
    CHECK(f.times("lost").count(4) == 1);
    f.reopen();
    CHECK(f.times("b") == std::set<std::int64_t>{3});
    CHECK(f.times("a") == std::set<std::int64_t>{1});
  }

  TEST_CASE("whichever write or sync fails, no acknowledged record is lost or doubled") {
    for (const auto fault :
         {PowerFs::Fault::sync_eio, PowerFs::Fault::write_eio, PowerFs::Fault::write_enospc}) {
      const auto steps = static_cast<std::uint64_t>(rounds(24));
      for (std::uint64_t n = 1; n <= steps; ++n) {
        CAPTURE(n);
        CHECK(lost_when_it_fails(fault, n, Durability::fsync) == 0);
      }
    }
  }

  TEST_CASE(
      "whichever write or sync fails: acknowledged before the write, records are lost, so the "
      "test above can tell") {
    std::size_t lost = 0;
    for (std::uint64_t n = 1; n <= 24; ++n) {
      lost += lost_when_it_fails(PowerFs::Fault::write_eio, n, Durability::memory);
    }
    MESSAGE("control: ", lost, " acknowledged records lost");
    CHECK(lost > 0);
  }

  TEST_CASE("one directory can not be opened, the others serve") {
    Fixture f;
    f.options.data_dirs.push_back(f.dir.sub("b"));
    f.options.shards = 2;
    f.open();
    std::string device[2];
    for (int i = 0; device[0].empty() || device[1].empty(); ++i) {
      const std::string name = "d" + std::to_string(i);
      device[static_cast<std::size_t>(f.store->shard_of(name))] = name;
      f.put(name, 1, "1");
    }
    f.store.reset();
    const auto current = std::filesystem::path(f.dir.sub("b")) / "db" / "CURRENT";
    std::filesystem::copy(current, f.dir.sub("kept"));
    std::filesystem::resize_file(current, 3);
    f.reopen();
    CHECK(f.put(device[0], 2, "2") == model::RowOutcome::stored);
    auto make = f.maker();
    make.message(device[1], 1).row(2, "2");
    CHECK(f.commit(make, 1)->status == model::CommitStatus::unavailable);
    CHECK(f.store->last(device[1]).error().code == Errc::storage_unavailable);
    const auto health = f.store->health();
    CHECK(health[0].ok);
    CHECK_FALSE(health[1].ok);
    const Uuid id = UuidSource(1).next(1);
    CHECK(f.store->compact(id).error().code == Errc::storage_unavailable);
    // Nothing was begun in the other one: it would be known there.
    CHECK(f.store->operation(id).error().code == Errc::storage_unavailable);

    std::filesystem::rename(f.dir.sub("kept"), current); // Somebody repairs it.
    do {
      make.message(device[1], 1).row(2, "2");
    } while (f.commit(make, 1)->status != model::CommitStatus::committed);
    CHECK(f.all(device[1]).size() == 2);
    f.store.reset();

    for (const char* each : {"a", "b"}) {
      std::filesystem::resize_file(std::filesystem::path(f.dir.sub(each)) / "db" / "CURRENT", 3);
    }
    CHECK(f.try_open().error().code == Errc::storage_corrupt);
  }

  TEST_CASE("opening on a full disk waits for space") {
    FaultyFixture f;
    f.open();
    f.put("d", 1, "1");
    f.store.reset();
    f.fs->fail(PowerFs::Fault::write_enospc);
    f.open();
    CHECK(f.try_put("d", 2)->status == model::CommitStatus::full);
    CHECK_FALSE(f.store->health()[0].ok);
    f.fs->clear();
    f.put_until_stored("d", 3);
    CHECK(f.times("d") == std::set<std::int64_t>{1, 3});
  }

  TEST_CASE("a failed compaction is tried again and closes nothing") {
    const auto fs = std::make_shared<PowerFs>();
    PowerEnv env(fs);
    LiveFixture f;
    f.options.env = &env;
    for (int i = 0; i < 3; ++i) { // Each opening makes a file.
      f.open();
      auto make = f.maker();
      make.message("d" + std::to_string(i), f.now_ms).row(1, "1");
      f.commit(make);
    }
    f.open();
    rocksdb::DB& db = f.live->database();
    fs->fail(PowerFs::Fault::write_enospc, ".sst");
    CHECK_FALSE(db.CompactRange({}, f.live->families().meta, nullptr, nullptr).ok());
    fs->clear();
    CHECK(f.background_errors == 0);
    auto make = f.maker();
    make.message("d", f.now_ms).row(1, "1");
    CHECK(f.count(*f.commit(make), model::RowOutcome::stored) == 1);
    CHECK(db.CompactRange({}, f.live->families().meta, nullptr, nullptr).ok());
    f.live.reset();
  }

  TEST_CASE("a directory that fails again soon after it was opened is left closed for longer") {
    using namespace std::chrono_literals;
    ReopenPause pause(200ms, 5s);
    ReopenPause::Clock::time_point now{1h};
    CHECK(pause.failed(now) == 0s);
    CHECK(pause.attempt() == 200ms);
    CHECK(pause.attempt() == 400ms);
    pause.opened(now);
    CHECK(pause.failed(now + 59s) == 400ms);
    CHECK(pause.attempt() == 800ms);
    pause.opened(now += 1min);
    CHECK(pause.failed(now + 60s) == 0s);
    CHECK(pause.attempt() == 200ms);
    for (int i = 0; i < 20; ++i) {
      (void)pause.attempt();
    }
    CHECK(pause.attempt() == 5s);
  }

  TEST_CASE("below the floor blocks are refused as full; above it they are taken again") {
    Fixture f;
    std::atomic<std::uint64_t> free{1u << 20};
    f.options.disk_free_min_bytes = 2u << 20;
    f.internals.disk_space = [&](const std::string&) {
      return std::optional<DiskSpace>({free.load(), 1u << 30});
    };
    f.open();
    auto make = f.maker();
    make.message("d", 1).row(1, "1");
    const auto refused = f.commit(make);
    CHECK(refused->status == model::CommitStatus::full);
    CHECK(refused->status_detail == "free space of 1 MiB is below the floor of 2 MiB");
    CHECK_FALSE(f.store->health()[0].ok);
    CHECK(f.store->stats().disk_free_bytes == (1u << 20));
    free = 3u << 20;
    for (;;) {
      make.message("d", 1).row(1, "1");
      if (f.commit(make)->status == model::CommitStatus::committed) {
        break;
      }
    }
    CHECK(f.store->health()[0].ok);
    CHECK(f.all("d").size() == 1);
  }
}

namespace {

struct CutResult {
  std::size_t acknowledged = 0;
  std::size_t lost = 0;
  std::size_t doubled = 0;
};

/// Four times: write until the power goes or the process dies, open, compare with what was
/// acknowledged before. After a death unsynced bytes are still there, until a later round cuts.
CutResult power_cuts(std::uint32_t seed, Durability durability, bool kills) {
  std::mt19937 random(seed);
  FaultyFixture f;
  f.options.durability = durability;
  f.options.log_bytes_max = 2u << 10;
  f.internals.window_bytes = 512;
  f.internals.block_buffer_bytes = 64u << 10;
  f.internals.generation_bytes = 1u << 10; // So low that generations are folded within a round.
  CutResult result;
  std::map<std::string, std::set<std::int64_t>> acknowledged;
  std::vector<std::pair<std::string, std::int64_t>> unheard;
  std::int64_t time = 0;
  for (int round = 0; round < 4; ++round) {
    f.shapes = std::make_unique<model::ShapeTable>();
    f.open();
    f.fs->die_after(1 + random() % 150);
    while (!f.fs->dead()) {
      auto make = f.maker();
      std::vector<std::pair<std::string, std::int64_t>> sent;
      for (const auto& [device, at] : unheard) { // Devices send again what was not acknowledged.
        make.message(device, f.received_ms++).row(at, std::to_string(at % 1000));
      }
      sent.swap(unheard);
      for (auto rows = 1 + random() % 8; rows != 0; --rows) {
        const std::string device = "d" + std::to_string(random() % 5);
        ++time;
        make.message(device, f.received_ms++).row(time, std::to_string(time % 1000));
        sent.emplace_back(device, time);
      }
      const auto block = f.commit(make);
      // Taken down before the cut: what is answered later proves nothing.
      if (block->status == model::CommitStatus::committed && !f.fs->dead()) {
        for (const auto& [device, at] : sent) {
          acknowledged[device].insert(at);
          ++result.acknowledged;
        }
      } else {
        unheard = std::move(sent);
      }
    }
    f.store.reset();
    if (round % 2 == 0 && kills) {
      f.fs->revive();
    } else {
      f.fs->cut(random, seed % 2 == 0);
    }
    f.shapes = std::make_unique<model::ShapeTable>();
    f.open();
    for (const auto& [device, times] : acknowledged) {
      std::multiset<std::int64_t> there;
      ScanRequest request;
      request.device = device;
      request.limit = 100'000;
      if (const auto page = f.store->scan(request)) {
        for (const StoredRecord& record : page->records) {
          there.insert(record.time_ns);
        }
      }
      for (const std::int64_t at : times) {
        result.lost += there.count(at) == 0 ? 1 : 0;
      }
      for (auto at = there.begin(); at != there.end(); at = there.upper_bound(*at)) {
        result.doubled += there.count(*at) - 1;
      }
    }
    f.store.reset();
  }
  return result;
}

} // namespace

TEST_SUITE("power cuts") {
  TEST_CASE("with fsync no acknowledged record is lost or doubled") {
    std::size_t acknowledged = 0;
    const std::uint32_t first = seed_or(1);
    const auto seeds = static_cast<std::uint32_t>(rounds(60));
    for (std::uint32_t seed = first; seed < first + seeds; ++seed) {
      CAPTURE(seed);
      const CutResult result = power_cuts(seed, Durability::fsync, seed % 3 != 0);
      CHECK(result.lost == 0);
      CHECK(result.doubled == 0);
      acknowledged += result.acknowledged;
    }
    CHECK(acknowledged > 1000);
    if (is_long_form()) {
      MESSAGE(seeds, " seeds from ", first, ", 4 cuts or kills each: ", acknowledged,
              " acknowledged records, none lost or doubled unless said above");
    }
  }

  TEST_CASE("without fsync records are lost, so the test above can tell") {
    std::size_t acknowledged = 0;
    std::size_t lost = 0;
    std::size_t doubled = 0;
    for (std::uint32_t seed = 1; seed <= 10; ++seed) {
      const CutResult result = power_cuts(seed, Durability::os, false);
      acknowledged += result.acknowledged;
      lost += result.lost;
      doubled += result.doubled;
    }
    CHECK(lost > 0);
    CHECK(doubled == 0);
    if (is_long_form()) {
      MESSAGE("control without fsync: ", lost, " lost of ", acknowledged, " acknowledged records");
    }
  }
}
