// Spate - what consumers of the kept log see across power cuts, kills and failed syncs.
#include <map>
#include <random>
#include <set>
#include <thread>

#include "tests/storage/fault_times.hpp"
#include "tests/storage/kept_log_fixture.hpp"
#include "tests/storage/live_fixture.hpp"
#include "tests/storage/power_fs.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

namespace {

struct CutFixture : Fixture {
  std::shared_ptr<PowerFs> fs = std::make_shared<PowerFs>();
  PowerEnv env{fs};

  CutFixture() {
    internals.env = &env;
    options.durability = Durability::fsync;
    options.seal_rows = 4;
    options.log_bytes_max = 2u << 10;
    internals.window_bytes = 512;
    internals.block_buffer_bytes = 64u << 10;
    internals.generation_bytes = 1u << 10;
  }
  ~CutFixture() {
    fs->clear();
    store.reset();
  }
  model::CommitStatus try_put(const std::string& device, std::int64_t time_ns) {
    auto make = maker();
    make.message(device, received_ms++).row(time_ns, std::to_string(time_ns));
    return commit(make)->status;
  }
  void put_until_stored(const std::string& device, std::int64_t time_ns) {
    while (try_put(device, time_ns) != model::CommitStatus::committed) {
      std::this_thread::yield();
    }
  }
};

struct Seen {
  std::size_t acknowledged = 0;
  std::size_t missing = 0;   ///< Acknowledged, and not seen.
  std::size_t doubled = 0;   ///< Seen at two positions.
  std::size_t renamed = 0;   ///< One position, other content.
  std::size_t unreached = 0; ///< A position that was seen and is in the future now.
  std::size_t gaps = 0;
  [[nodiscard]] std::size_t wrong() const { return missing + doubled + renamed + unreached + gaps; }
};

/// A consumer that remembers what it saw where.
class Witness {
public:
  explicit Witness(Seen& seen) : seen_(seen) {}

  /// What there is at the moment. Nothing if the store is closed.
  void read(Store& store, LogRequest& request) {
    for (bool more = true; more;) {
      auto page = store.log(request);
      if (!page) {
        if (page.error().code == Errc::cursor_invalid) {
          ++seen_.unreached;
          request = {};
        }
        return;
      }
      seen_.gaps += page->gap ? 1 : 0;
      for (const LogRecord& record : page->records) {
        const std::pair<std::string, std::int64_t> what(record.device, record.time_ns);
        const auto [at, added] = content_.try_emplace(record.position, what);
        seen_.renamed += at->second != what ? 1 : 0;
        seen_.doubled += added && !records_.insert(what).second ? 1 : 0;
      }
      request.after = page->next;
      request.hint = page->hint;
      more = page->more;
    }
  }
  [[nodiscard]] bool saw(const std::string& device, std::int64_t time_ns) const {
    return records_.count({device, time_ns}) != 0;
  }

private:
  Seen& seen_;
  std::map<LogPosition, std::pair<std::string, std::int64_t>> content_;
  std::set<std::pair<std::string, std::int64_t>> records_;
};

/// Five times: write until the power goes or the process dies while a consumer reads along; open,
/// and let it go on behind what it has seen. At last another one reads all from the start.
Seen cuts(std::uint32_t seed, Durability durability, bool kills) {
  std::mt19937 random(seed);
  CutFixture f;
  f.options.durability = durability;
  Seen seen;
  Witness witness(seen);
  LogRequest request;
  std::set<std::pair<std::string, std::int64_t>> acknowledged;
  std::vector<std::pair<std::string, std::int64_t>> unheard;
  std::int64_t time = 0;
  for (int round = 0; round < 5; ++round) {
    f.shapes = std::make_unique<model::ShapeTable>();
    f.open();
    witness.read(*f.store, request);
    f.fs->die_after(1 + random() % 150);
    while (!f.fs->dead()) {
      auto make = f.maker();
      std::vector<std::pair<std::string, std::int64_t>> sent = std::exchange(unheard, {});
      for (auto rows = 1 + random() % 8; rows != 0; --rows) {
        sent.emplace_back("d" + std::to_string(random() % 5), ++time);
      }
      for (const auto& [device, at] : sent) {
        make.message(device, f.received_ms++).row(at, std::to_string(at % 1000));
      }
      const auto block = f.commit(make);
      if (block->status == model::CommitStatus::committed && !f.fs->dead()) {
        acknowledged.insert(sent.begin(), sent.end());
        if (random() % 2 == 0) {
          witness.read(*f.store, request);
        }
      } else {
        unheard = std::move(sent);
      }
    }
    // It reads until the end, whatever the disk does.
    witness.read(*f.store, request);
    f.store.reset();
    if (round % 2 == 0 && kills) {
      f.fs->revive();
    } else {
      f.fs->cut(random, seed % 2 == 0);
    }
    request.hint = {}; // A new process.
  }
  f.shapes = std::make_unique<model::ShapeTable>();
  f.open();
  witness.read(*f.store, request);
  LogRequest again;
  witness.read(*f.store, again);
  for (const auto& [device, at] : acknowledged) {
    seen.missing += witness.saw(device, at) ? 0 : 1;
  }
  seen.acknowledged = acknowledged.size();
  return seen;
}

} // namespace

TEST_SUITE("kept log and faults") {
  TEST_CASE("with fsync a consumer sees every acknowledged record once, and no position changes") {
    std::size_t acknowledged = 0;
    const std::uint32_t first = seed_or(1);
    const auto seeds = static_cast<std::uint32_t>(rounds(40));
    for (std::uint32_t seed = first; seed < first + seeds; ++seed) {
      CAPTURE(seed);
      const Seen seen = cuts(seed, Durability::fsync, seed % 3 != 0);
      CHECK(seen.missing == 0);
      CHECK(seen.doubled == 0);
      CHECK(seen.renamed == 0);
      CHECK(seen.unreached == 0);
      CHECK(seen.gaps == 0);
      acknowledged += seen.acknowledged;
    }
    CHECK(acknowledged > 1000);
    if (is_long_form()) {
      MESSAGE(seeds, " seeds from ", first, ", 5 cuts or kills each: ", acknowledged,
              " acknowledged records, each seen once unless said above");
    }
  }

  TEST_CASE("who reads beyond what is synced sees what is not so, so the test above can tell") {
    std::size_t wrong = 0;
    for (std::uint32_t seed = 1; seed <= 10; ++seed) {
      wrong += cuts(seed, Durability::os, false).wrong();
    }
    CHECK(wrong > 0);
  }

  TEST_CASE("what was written and not synced is not seen") {
    const auto fs = std::make_shared<PowerFs>();
    PowerEnv env{fs};
    LiveFixture f;
    f.options.env = &env;
    f.options.durability = Durability::fsync;
    f.options.kept_log_bytes_max = 1u << 20;
    f.open();
    auto make = f.maker();
    make.message("d", f.now_ms).row(1, "1");
    f.commit(make);
    make.message("d", f.now_ms).row(2, "2");
    Blocks blocks;
    blocks.push_back(make.take(model::ShardId{0}, f.sink));
    REQUIRE(f.live->build(blocks, f.now_ms));
    fs->fail_next_of_wal(PowerFs::Fault::sync_eio);
    CHECK_FALSE(f.live->write().ok());
    const auto page = f.live->log({});
    REQUIRE(page);
    CHECK(page->records.size() == 1);
    CHECK(f.live->kept_log()->last_commit() == 1);
    LogRequest beyond;
    beyond.after = {0, 2, 1};
    CHECK_FALSE(f.live->log(beyond));
    f.live.reset();
  }

  TEST_CASE("a commit whose sync failed is not seen before it is durable, and then for good") {
    std::mt19937 random(1);
    CutFixture f;
    f.options.log_bytes_max = 4u << 20;
    f.internals.window_bytes = 0;
    f.open();
    f.put_until_stored("d", 1);
    f.fs->fail_next_of_wal(PowerFs::Fault::sync_eio);
    CHECK(f.try_put("d", 2) == model::CommitStatus::unavailable);
    f.put_until_stored("d", 2); // Recovered from the page cache: a repeat that is acknowledged.
    CHECK(f.store->stats().rows_duplicate == 1);
    CHECK(without_positions(Consumer().read(*f.store)) == Texts{"d 1=1", "d 2=2"});
    f.store.reset();
    f.fs->cut(random, false); // What was never synced of the old log file goes.
    f.shapes = std::make_unique<model::ShapeTable>();
    f.open();
    CHECK(f.all("d").size() == 2);
    Consumer consumer;
    CHECK(without_positions(consumer.read(*f.store)) == Texts{"d 1=1", "d 2=2"});
    Consumer behind({0, 1, 1});
    CHECK(without_positions(behind.read(*f.store)) == Texts{"d 2=2"});
    CHECK(behind.gaps.empty());
  }

  TEST_CASE("erased files do not come back with a power cut") {
    for (std::uint32_t seed = 1; seed <= 6; ++seed) {
      std::mt19937 random(seed);
      CutFixture f;
      f.open();
      f.put_until_stored("d", 1);
      f.put_until_stored("other", 2);
      f.reopen(); // The first file is archived.
      f.store.reset();
      f.fs->cut(random, false); // Some files are safe in the archive from now on.
      f.reopen();
      EraseRequest request;
      request.operation = UuidSource(1).next(f.received_ms);
      request.device = "d";
      REQUIRE(f.store->erase(request));
      for (bool ended = false; !ended;) {
        const auto operation = f.store->operation(request.operation);
        REQUIRE(operation);
        ended = (*operation)->ended();
        std::this_thread::yield();
      }
      f.store.reset();
      f.fs->cut(random, false);
      f.shapes = std::make_unique<model::ShapeTable>();
      f.open();
      for (const std::string& line : without_positions(Consumer().read(*f.store))) {
        CHECK(line == "other 2=2");
      }
    }
  }
}
