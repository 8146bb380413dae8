// Spate - tests of erasing for good: what must be gone from reads, memory and register, and what
// happens when the directory fails meanwhile.
#include <atomic>
#include <thread>

#include <rocksdb/snapshot.h>

#include "storage/aggregate.hpp"
#include "storage/rocks_options.hpp"
#include "tests/storage/live_fixture.hpp"
#include "tests/storage/power_fs.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

namespace {

struct EraseFixture : Fixture {
  UuidSource ids{1};

  Operation erase(const std::string& device, std::int64_t from_ns = 0,
                  std::int64_t to_ns = INT64_MAX) {
    EraseRequest request;
    request.operation = ids.next(received_ms);
    request.device = device;
    request.from_ns = from_ns;
    request.to_ns = to_ns;
    auto begun = store->erase(request);
    if (!begun) {
      FAIL(begun.error().detail);
    }
    return *begun;
  }
  /// Until it has come so far; it has not ended then.
  void await_steps(const Uuid& id, std::uint64_t steps) {
    for (;;) {
      const auto operation = store->operation(id);
      REQUIRE(operation);
      REQUIRE(*operation);
      REQUIRE_FALSE((*operation)->ended());
      if ((*operation)->done >= steps) {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  /// Long enough that it would have ended, if nothing held it.
  void check_held(const Uuid& id) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    CHECK_FALSE((*store->operation(id))->ended());
  }
  void with_database(const std::function<void(rocksdb::DB&)>& use) {
    REQUIRE(store->with_databases([&](const std::string&, rocksdb::DB& db, const auto&) {
      use(db);
      return Result<void>();
    }));
  }
  Texts last(const std::string& device) {
    auto page = store->last(device);
    REQUIRE(page);
    return texts(page->records);
  }
};

struct EraseLive : LiveFixture {
  void put(std::int64_t time_ns, const std::string& number) {
    auto make = maker();
    make.message("d", now_ms++).row(time_ns, number);
    commit(make);
  }
  /// A commit without rows.
  void commit_nothing() {
    REQUIRE(live->build({}, now_ms));
    REQUIRE(live->write().ok());
  }
  void erase(std::int64_t from_ns, std::int64_t to_ns) {
    REQUIRE(live->erase("d", from_ns, to_ns));
    commit_nothing();
  }
  /// All that is sealed and may go from the log is gone.
  void drop_log() {
    while (!live->rotate_log()) {
      std::this_thread::yield();
    }
    const std::uint64_t last = live->sequence();
    do {
      live->tick_log();
      commit_nothing();
      std::this_thread::yield();
    } while (live->windows().holds(last));
  }
  Texts last() {
    auto page = live->last("d", {});
    REQUIRE(page);
    Texts out;
    for (const StoredRecord& record : page->records) {
      out.push_back(std::to_string(record.time_ns) + "=" + Fixture::text_of(record));
    }
    return out;
  }
  /// Of the newest rows that the register holds.
  std::size_t last_row_bytes() {
    std::size_t bytes = 0;
    const std::unique_ptr<rocksdb::Iterator> at(
        live->database().NewIterator({}, live->families().meta));
    for (at->Seek("P"); at->Valid() && at->key()[0] == meta::kDeviceSeries; at->Next()) {
      bytes += at->value().size() - std::min<std::size_t>(at->value().size(), 16);
    }
    return bytes;
  }
};

} // namespace

TEST_SUITE("erase") {
  TEST_CASE("an erased newest record does not come back with a restart") {
    for (const bool sealed_before : {false, true}) {
      CAPTURE(sealed_before);
      EraseFixture f;
      f.options.seal_rows = sealed_before ? 1 : 64;
      f.open();
      f.put("d", 1, "11");
      f.put("d", 2, "22");
      f.put("other", 3, "33");
      f.await(f.erase("d", 2, 3).id);
      CHECK(f.last("d") == Texts{"1=11"});
      f.reopen();
      CHECK(f.last("d") == Texts{"1=11"});
      f.await(f.erase("d").id);
      f.reopen();
      CHECK(f.last("d").empty());
      CHECK(f.all("d").empty());
      CHECK(f.last("other") == Texts{"3=33"});
    }
  }

  TEST_CASE("the register keeps no newest row that is erased, nor does memory after a crash") {
    for (const std::uint32_t rows : {1u, 2u, 64u}) {
      CAPTURE(rows);
      EraseLive f;
      f.options.policy.rows = rows;
      f.open();
      f.put(1, "11");
      f.put(2, "22");
      f.put(1, "12"); // Late, if the one before is sealed.
      f.erase(0, INT64_MAX);
      CHECK(f.last_row_bytes() == 0);
      CHECK(f.last().empty());
      f.open(); // The log still has the rows, and brings them through the tails again.
      CHECK(f.last().empty());
      CHECK(f.all("d").records.empty());
      f.put(3, "33");
      CHECK(f.last() == Texts{"3=33"});
    }
  }

  TEST_CASE("two erasures of one commit both hide") {
    EraseLive f;
    f.open();
    for (int i = 1; i <= 4; ++i) {
      f.put(i, std::to_string(i));
    }
    REQUIRE(f.live->erase("d", 1, 2));
    REQUIRE(f.live->erase("d", 4, 5));
    f.commit_nothing();
    CHECK(f.all("d").records.size() == 2);
    CHECK(f.last() == Texts{"3=3"});
    f.open();
    CHECK(f.all("d").records.size() == 2);
    CHECK(f.last() == Texts{"3=3"});
  }

  TEST_CASE(
      "a newest row that came before the oldest log window is still the newest after replay") {
    EraseLive f;
    f.options.policy.rows = 2;
    f.open();
    f.put(100, "1");
    while (!f.live->rotate_log()) {
      std::this_thread::yield();
    }
    f.put(90, "2"); // The tail is full: the next commit seals it.
    do {
      f.live->tick_log();
      f.commit_nothing();
      std::this_thread::yield();
    } while (f.live->windows().holds(1));
    CHECK(f.last() == Texts{"100=1"});
    f.open();
    CHECK(f.last() == Texts{"100=1"});
  }

  TEST_CASE("a key names one request in all data directories") {
    EraseFixture f;
    f.options.data_dirs = {f.dir.sub("a"), f.dir.sub("b")};
    f.options.shards = 2;
    f.open();
    std::vector<std::string> devices(2);
    for (int i = 0; devices[0].empty() || devices[1].empty(); ++i) {
      const std::string device = "d" + std::to_string(i);
      devices[static_cast<std::size_t>(f.store->shard_of(device))] = device;
    }
    for (const std::string& device : devices) {
      f.put(device, 1, "1");
    }
    EraseRequest request;
    request.operation = f.ids.next(f.received_ms);
    request.device = devices[0];
    request.idempotency_key = "k";
    REQUIRE(f.store->erase(request));
    const auto repeated = f.store->erase(request);
    REQUIRE(repeated);
    CHECK(repeated->id == request.operation);
    request.device = devices[1];
    request.operation = f.ids.next(f.received_ms);
    const auto other = f.store->erase(request);
    REQUIRE_FALSE(other);
    CHECK(other.error().code == Errc::idempotency_conflict);
    CHECK(f.all(devices[1]).size() == 1);
  }

  TEST_CASE("blocks that a reader still holds do not count as gone") {
    EraseLive f;
    f.options.policy.rows = 1;
    f.open();
    f.put(1, "1");
    f.put(2, "2");
    auto view = f.live->view("d");
    const std::uint64_t held = view->blocks->generations.front()->number();
    f.erase(0, INT64_MAX);
    const std::uint64_t sequence = f.live->sequence();
    f.live->freeze();
    const auto shown = [&] { return f.live->blocks().blocks()->generations.front()->number(); };
    while (shown() == held) {
      f.live->tick_log();
      f.commit_nothing();
      std::this_thread::yield();
    }
    CHECK_FALSE(f.live->blocks().folded_through(sequence));
    ScanRequest request;
    request.device = "d";
    request.limit = 10;
    CHECK(scan_device(f.live->database(), *view, request)->records.size() == 2);
    view.reset();
    while (!f.live->blocks().folded_through(sequence)) {
      f.live->tick_log();
      f.commit_nothing();
      std::this_thread::yield();
    }
  }

  TEST_CASE("a generation that is empty after a restart is no lag, and a full one keeps its size") {
    std::atomic<std::int64_t> clock{1'700'000'000'000};
    EraseLive f;
    f.options.policy.rows = 1;
    f.options.now_ms = [&] { return clock.load(); };
    const auto stats = [&] {
      clock += 1'000;
      StoreStats out;
      f.live->add_to(out);
      return out;
    };
    f.open();
    f.open();
    CHECK(stats().fold_lag_ms == 0);
    f.put(1, "1");
    f.put(2, "2");
    CHECK(stats().fold_lag_ms > 0);
    CHECK(stats().generation_bytes > 0);
    f.open();
    CHECK(stats().fold_lag_ms > 0);
    CHECK(stats().generation_bytes > 0);
  }

  TEST_CASE(
      "an erasure waits for snapshots that show the old register, and for files of a backup") {
    EraseFixture f;
    f.open();
    f.put("d", 1, "11");
    const rocksdb::Snapshot* snapshot = nullptr;
    f.with_database([&](rocksdb::DB& db) { snapshot = db.GetSnapshot(); });
    const Uuid id = f.erase("d").id;
    f.await_steps(id, 4);
    f.check_held(id);
    f.with_database([&](rocksdb::DB& db) {
      REQUIRE(db.DisableFileDeletions().ok()); // As a backup does while it copies.
      db.ReleaseSnapshot(snapshot);
    });
    f.check_held(id);
    f.with_database([](rocksdb::DB& db) { REQUIRE(allow_file_deletions(db).ok()); });
    f.await(id);
    f.store->stop();
  }

  TEST_CASE("an erasure that waits for a reader commits nothing, and ends when it is gone") {
    EraseFixture f;
    f.options.seal_rows = 1;
    f.open();
    for (int i = 1; i <= 4; ++i) {
      f.put("d", i, std::to_string(i));
    }
    std::atomic<bool> reading{false};
    std::atomic<bool> go{false};
    std::thread reader([&] {
      ScanRequest request;
      request.device = "d";
      request.cancelled = [&] {
        reading = true;
        while (!go) {
          std::this_thread::yield();
        }
        return false;
      };
      const auto page = f.store->scan(request);
      CHECK((page && page->records.size() == 4)); // As of its begin.
    });
    while (!reading) {
      std::this_thread::yield();
    }
    const Uuid id = f.erase("d").id;
    f.await_steps(id, 2);
    f.check_held(id); // Folds, and then only waits.
    const std::uint64_t commits = f.store->stats().commits;
    f.check_held(id);
    CHECK(f.store->stats().commits == commits);
    go = true;
    reader.join();
    f.await(id);
    CHECK(f.all("d").empty());
  }

  TEST_CASE(
      "a span without an end takes the last moment there is, in reads and folds; others not") {
    for (const bool whole : {true, false}) {
      CAPTURE(whole);
      EraseLive f;
      f.options.policy.rows = 2;
      f.open();
      f.put(1, "1");
      f.put(INT64_MAX, "2");
      f.put(3, "3"); // Late.
      f.commit_nothing();
      const std::size_t left = whole ? 0 : 1;
      f.erase(0, whole ? INT64_MAX : INT64_MAX - 1);
      constexpr auto kCount = static_cast<std::size_t>(Function::count);
      const auto count = [&]() -> std::size_t {
        const auto view = f.live->view("d");
        AggregatedDevice device{{f.live->database(), *view->blocks, view->device},
                                {{view->series[0].number, view->series[0].shape, INT64_MIN}},
                                {},
                                view->blocks->erasures};
        AggregateRequest request;
        request.functions = bit(Function::count);
        const auto page = aggregate_device(device, request);
        REQUIRE(page);
        return page->buckets.empty() ? 0
                                     : std::stoul(page->buckets[0].fields[0].values[kCount].text);
      };
      CHECK(f.all("d").records.size() == left);
      CHECK(count() == left);
      CHECK(f.last().size() == left);
      const std::uint64_t sequence = f.live->sequence();
      f.live->freeze();
      while (!f.live->blocks().folded_through(sequence) ||
             !f.live->blocks().maintenance().erased_through(1)) {
        f.live->tick_log();
        f.commit_nothing();
        std::this_thread::yield();
      }
      REQUIRE(f.live->forget_erasure(1).ok());
      CHECK(f.all("d").records.size() == left);
      CHECK(count() == left);
    }
  }

  TEST_CASE("an erasure whose commit fails is refused at once, and the store can be stopped") {
    EraseFixture f;
    const auto fs = std::make_shared<PowerFs>();
    PowerEnv env{fs};
    std::atomic<std::uint64_t> free_bytes{1u << 30};
    f.internals.env = &env;
    f.internals.disk_space = [&](const std::string&) -> std::optional<DiskSpace> {
      return DiskSpace{free_bytes.load(), 1u << 31};
    };
    f.open();
    f.put("d", 1, "1");
    fs->fail(PowerFs::Fault::write_enospc);
    free_bytes = 0; // Closed for as long as it stays so.
    for (int i = 0; i < 2; ++i) {
      EraseRequest request;
      request.operation = f.ids.next(f.received_ms);
      request.device = "d";
      const auto refused = f.store->erase(request);
      REQUIRE_FALSE(refused);
      CHECK(refused.error().code == Errc::storage_unavailable);
    }
    f.store->stop();
    fs->clear();
    f.store.reset();
  }
}
