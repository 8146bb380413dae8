// Commits seen from inside: how much work one does, what it seals.
#include <rocksdb/perf_context.h>

#include "tests/storage/live_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;
using model::RowOutcome;

namespace {

/// Blocks of files that this thread asked for since it was made.
class BlockReads {
public:
  BlockReads() {
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
    rocksdb::get_perf_context()->Reset();
  }
  ~BlockReads() { rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable); }
  [[nodiscard]] std::uint64_t count() const {
    const auto* context = rocksdb::get_perf_context();
    return context->block_read_count + context->block_cache_hit_count;
  }
};

} // namespace

TEST_SUITE("restart") {
  TEST_CASE("the first commit after a restart knows what was sealed without reading blocks") {
    LiveFixture f;
    f.options.policy.rows = 4;
    f.open();
    auto make = f.maker();
    for (int i = 0; i < 10; ++i) {
      make.message("old", f.now_ms).row(10 + i, "1").message("new", f.now_ms).row(10 + i, "1", "u");
      f.commit(make);
    }
    f.open();
    {
      const BlockReads reads;
      make.message("old", f.now_ms).row(3, "1").message("new", f.now_ms).row(30, "1", "u");
      CHECK(f.count(*f.commit(make), RowOutcome::stored) == 2);
      CHECK(reads.count() == 0);
    }
    CHECK(f.all("old").records[0].time_ns == 3);
    CHECK(f.all("old").records.size() == 11);
    CHECK(f.all("new").records.size() == 11);
  }

  TEST_CASE("the first commit after a restart seals only full tails, each once") {
    LiveFixture f;
    f.options.policy.rows = 4;
    f.open();
    auto make = f.maker();
    for (int i = 0; i < 46; ++i) { // Each tail is sealed again and again and ends with two rows.
      for (const char* device : {"a", "b", "c"}) {
        make.message(device, f.now_ms).row(i, "1");
      }
      f.commit(make);
    }
    make.message("c", f.now_ms).row(100, "1").row(101, "1"); // Full now.
    f.commit(make);
    f.open();
    make.message("a", f.now_ms).row(200, "1");
    f.commit(make);
    CHECK(f.live->last().blocks_sealed() == 1);
    CHECK(f.all("a").records.size() == 47);
    CHECK(f.all("c").records.size() == 48);
  }

  TEST_CASE("a device without blocks in a file is read without reading that file") {
    LiveFixture f;
    f.options.policy.rows = 2;
    f.open();
    auto make = f.maker();
    make.message("none", f.now_ms).row(1, "1");
    f.commit(make);
    for (int i = 0; i < 50; ++i) {
      make.message("d" + std::to_string(i % 10), f.now_ms).row(10 + i, "1");
      f.commit(make);
    }
    f.open();
    (void)f.all("none"); // Opens the files.
    const BlockReads reads;
    CHECK(f.all("none").records.size() == 1);
    CHECK(reads.count() == 0);
  }
}

TEST_SUITE("blocks") {
  TEST_CASE("many files of blocks neither stop writes nor are compacted") {
    LiveFixture f;
    f.options.policy.rows = 1;
    f.open();
    auto make = f.maker();
    for (int i = 0; i < 100; ++i) {
      make.message("d", f.now_ms).row(i, "1");
      f.commit(make);
      REQUIRE(f.live->database().Flush({}, f.live->blocks().active()).ok());
    }
    std::string files;
    REQUIRE(f.live->database().GetProperty(f.live->blocks().active(), "rocksdb.num-files-at-level0",
                                           &files));
    CHECK(files == "99"); // The first commit seals nothing.
    CHECK(f.all("d").records.size() == 100);
  }
}

TEST_SUITE("memory") {
  TEST_CASE("tails stay within their budget when every row comes from another device") {
    LiveFixture f;
    f.options.policy.tail_bytes_max = 256u << 10;
    f.open();
    auto make = f.maker();
    for (int commit = 0; commit < 40; ++commit) {
      for (int i = 0; i < 200; ++i) {
        make.message("d" + std::to_string(200 * commit + i), f.now_ms).row(1, "1");
      }
      f.commit(make);
      StoreStats stats;
      f.live->add_to(stats);
      // The tails themselves fill half of it. A commit comes on top of what the one before left.
      const std::size_t commit_bytes = 200 * 112;
      CHECK(stats.tail_bytes <= (160u << 10) + commit_bytes);
      CHECK(stats.tail_rows >= 200);
    }
    CHECK(f.all("d7").records.size() == 1);
  }

  TEST_CASE("the log does not run away from its budget when every row comes from another device") {
    LiveFixture f;
    f.options.policy.log_bytes_max = 8u << 10;
    f.options.rocks.window_bytes = 1u << 10;
    f.open();
    auto make = f.maker();
    for (int commit = 0; commit < 40; ++commit) {
      for (int i = 0; i < 200; ++i) {
        make.message("d" + std::to_string(200 * commit + i), f.now_ms).row(1, "1");
      }
      f.commit(make);
      StoreStats stats;
      f.live->add_to(stats);
      CHECK(stats.tail_rows < 2400); // Five bytes each, a quarter of slack, and one commit.
    }
  }
}

TEST_SUITE("commit") {
  TEST_CASE("a backlog of older rows costs work in proportion to its rows, also when sent again") {
    constexpr std::int64_t kRows = 60'000;
    LiveFixture f;
    f.open();
    auto make = f.maker();
    make.message("d", f.now_ms).row(10 * kRows, "0");
    f.commit(make);
    const auto backlog = [&] {
      make.message("d", f.now_ms);
      for (std::int64_t i = 0; i < kRows; ++i) {
        make.row(1 + i * 7919 % kRows, std::to_string(i)); // In no order.
      }
      return f.commit(make);
    };
    CHECK(f.count(*backlog(), RowOutcome::stored) == kRows);
    CHECK(f.live->last().rows_compared() < 20 * kRows);
    CHECK(f.count(*backlog(), RowOutcome::duplicate) == kRows); // While the first is being sealed.
    CHECK(f.live->last().rows_compared() < 20 * kRows);
  }

  TEST_CASE("a stuck clock costs work in proportion to its rows") {
    constexpr std::int64_t kRows = 20'000;
    LiveFixture f;
    f.open();
    auto make = f.maker();
    for (int commit = 0; commit < 4; ++commit) {
      make.message("d", f.now_ms);
      for (std::int64_t i = 0; i < kRows; ++i) {
        make.row(5, std::to_string(commit * kRows + i));
      }
      CHECK(f.count(*f.commit(make), RowOutcome::stored) == kRows);
      CHECK(f.live->last().rows_compared() < 20 * kRows);
    }
  }
}
