// Duplicates, late rows, limits, rejections: the rules of the contract at the store's door.
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/storage/store_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;
using model::RowOutcome;

TEST_SUITE("duplicates") {
  TEST_CASE(
      "a repeat is recognised in the same block, in the tail, in a sealed block, after a restart") {
    Fixture f;
    f.options.seal_rows = 4;
    f.open();
    auto make = f.maker();
    make.message("d", 1).row(10, "22.5").row(10, "22.50").row(10, "22.5");
    const auto block = f.commit(make);
    CHECK(block->rows[0].outcome == RowOutcome::stored);
    CHECK(block->rows[1].outcome == RowOutcome::duplicate);
    CHECK(block->rows[2].outcome == RowOutcome::duplicate);
    CHECK(f.put("d", 10, "22.500") == RowOutcome::duplicate);
    for (int i = 11; i < 30; ++i) {
      f.put("d", i, "1");
    }
    REQUIRE(f.store->stats().blocks_sealed > 2);
    CHECK(f.put("d", 10, "22.5") == RowOutcome::duplicate);
    f.reopen(); // The log still holds the rows of the sealed block.
    CHECK(f.put("d", 10, "22.5") == RowOutcome::duplicate);
    CHECK(f.put("d", 29, "1.0") == RowOutcome::duplicate);
    CHECK(f.all("d").size() == 20);
    CHECK(f.store->stats().rows_duplicate == 2);
  }

  TEST_CASE("a repeat in the very commit that seals its first copy is recognised") {
    Fixture f;
    f.options.seal_rows = 2;
    f.open();
    f.put("d", 1, "1");
    f.put("d", 2, "2"); // Full: the next commit seals both.
    CHECK(f.put("d", 1, "1.0") == RowOutcome::duplicate);
  }

  TEST_CASE("a repeat that the commit forgot is left out by readers, the first one stands") {
    Fixture f;
    f.options.seal_rows = 2;
    f.internals.recent_keys_max = 1;
    f.open();
    for (int i = 0; i < 80; ++i) {
      f.put("d", i, "5.5");
    }
    REQUIRE(f.put("d", 3, "5.50") == RowOutcome::stored);
    const auto records = f.all("d");
    CHECK(records.size() == 80);
    CHECK(Fixture::text_of(records[3]) == "5.5");
    CHECK(Fixture::text_of(f.all("d", true)[76]) == "5.5");
  }

  TEST_CASE("the same time with other values is kept, in order of arrival") {
    Fixture f;
    f.open();
    f.put("d", 10, "2");
    f.put("d", 10, "1");
    CHECK(f.texts(f.all("d")) == Texts{"10=2", "10=1"});
    CHECK(f.texts(f.all("d", true)) == Texts{"10=1", "10=2"});
  }

  TEST_CASE("the same values in another shape are another record") {
    Fixture f;
    f.open();
    f.put("d", 10, "1", "a");
    CHECK(f.put("d", 10, "1", "b") == RowOutcome::stored);
    CHECK(f.all("d").size() == 2);
    CHECK(f.store->last("d")->records.size() == 2);
  }

  TEST_CASE("records with a receive time are never merged") {
    Fixture f;
    f.open();
    f.put("d", 10, "1", "t", model::TsSource::server);
    CHECK(f.put("d", 10, "1", "t", model::TsSource::server) == RowOutcome::stored);
    CHECK(f.all("d").size() == 2);
  }
}

TEST_SUITE("limits") {
  TEST_CASE("too many devices and too many shapes are refused row by row, and listed") {
    Fixture f;
    f.options.devices_max = 2;
    f.options.shapes_per_device_max = 2;
    f.open();
    f.put("a", 1, "1");
    f.put("b", 1, "1");
    auto make = f.maker();
    make.message("c", 7).row(1, "1").row(2, "1");
    make.block().messages[0].protocol = model::Protocol::http;
    make.message("a", 8).row(2, "1", "x").row(3, "1", "y").row(4, "1");
    const auto block = f.commit(make);
    CHECK(block->status == model::CommitStatus::committed);
    CHECK(block->rows[0].reject_reason == model::RejectReason::too_many_devices);
    CHECK(block->rows[1].reject_reason == model::RejectReason::too_many_devices);
    CHECK(block->rows[2].outcome == RowOutcome::stored);
    CHECK(block->rows[3].reject_reason == model::RejectReason::too_many_shapes);
    CHECK(block->rows[4].outcome == RowOutcome::stored);
    const auto page = f.store->rejections({});
    REQUIRE(page);
    REQUIRE(page->rejections.size() == 2);
    CHECK(page->rejections[0].device == "a");
    CHECK(page->rejections[1].device == "c");
    CHECK(page->rejections[1].protocol == model::Protocol::http);
    CHECK(page->rejections[1].records == 2); // One entry for both.
    f.reopen();                              // The caps hold over a restart.
    make = f.maker();
    make.message("c", 7).row(1, "1").message("a", 8).row(9, "1", "z");
    const auto again = f.commit(make);
    CHECK(again->rows[0].reject_reason == model::RejectReason::too_many_devices);
    CHECK(again->rows[1].reject_reason == model::RejectReason::too_many_shapes);
  }

  TEST_CASE("windows are dropped when their rows are sealed, and nothing goes with them") {
    Fixture f;
    f.options.seal_rows = 8;
    f.options.log_bytes_max = 4096;
    f.internals.window_bytes = 512;
    f.open();
    for (int i = 0; i < 600; ++i) {
      f.put("d" + std::to_string(i % 7), i, std::to_string(i));
    }
    for (int round = 0; round < 2; ++round) {
      std::size_t rows = 0;
      for (int d = 0; d < 7; ++d) {
        rows += f.all("d" + std::to_string(d)).size();
      }
      CHECK(rows == 600);
      f.reopen();
    }
    // 600 rows make 27 windows; what is left replays into few rows.
    CHECK(f.store->stats().tail_rows < 120);
    f.store.reset();
    CHECK(f.windows() < 20);
  }

  TEST_CASE("opening ten times without writing leaves two windows") {
    for (const int rows : {0, 5}) {
      Fixture f;
      f.open();
      for (int i = 0; i < rows; ++i) {
        f.put("d", i, "1");
      }
      for (int i = 0; i < 10; ++i) {
        f.reopen();
      }
      f.store.reset();
      CHECK(f.windows() <= 2);
      f.open();
      CHECK(f.put("d", 9, "1") == RowOutcome::stored);
    }
  }
}

TEST_SUITE("rejections") {
  TEST_CASE("the ring keeps the newest, counts what it let go, pages and filters") {
    Fixture f;
    f.options.rejections_max = 5;
    f.open();
    for (int i = 0; i < 8; ++i) {
      auto make = f.maker();
      make.rejection(i % 2 == 0 ? "even" : "odd", model::RejectReason::payload_not_json, 100 + i);
      REQUIRE(f.commit(make)->status == model::CommitStatus::committed);
    }
    for (int round = 0; round < 2; ++round) {
      RejectionQuery query;
      query.limit = 2;
      std::vector<std::int64_t> seen;
      for (bool more = true; more;) {
        const auto page = f.store->rejections(query);
        REQUIRE(page);
        CHECK(page->dropped == 3);
        for (const auto& rejection : page->rejections) {
          seen.push_back(rejection.received_ms);
        }
        more = page->more;
        query.after = page->position;
      }
      CHECK(seen == std::vector<std::int64_t>{107, 106, 105, 104, 103});
      RejectionQuery even;
      even.device = "even";
      even.to_ms = 106;
      const auto page = f.store->rejections(even);
      REQUIRE(page);
      REQUIRE(page->rejections.size() == 1);
      CHECK(page->rejections[0].received_ms == 104);
      CHECK(page->rejections[0].sample == "{");
      f.reopen();
    }
    RejectionQuery foreign;
    foreign.after = "1.2.3";
    CHECK(f.store->rejections(foreign).error().code == Errc::cursor_invalid);
  }
}

TEST_SUITE("devices") {
  TEST_CASE("devices are listed by id, page by page, with times that survive a restart") {
    Fixture f;
    f.options.seal_rows = 2;
    f.options.data_dirs.push_back(f.dir.sub("b"));
    f.options.shards = 3;
    f.open();
    for (int i = 0; i < 9; ++i) {
      const std::string device = "d" + std::to_string(i % 3);
      auto make = f.maker();
      make.message(device, 1000 + i).row(i, "1");
      f.commit(make, static_cast<std::uint16_t>(f.store->shard_of(device)));
    }
    for (int round = 0; round < 2; ++round) {
      auto page = f.store->devices("", 2);
      REQUIRE(page);
      REQUIRE(page->devices.size() == 2);
      CHECK(page->more);
      CHECK(page->devices[0].id == "d0");
      CHECK(page->devices[1].id == "d1");
      CHECK(page->devices[1].first_seen_ms == 1001);
      CHECK(page->devices[1].last_seen_ms == 1007);
      page = f.store->devices("d1", 2);
      REQUIRE(page->devices.size() == 1);
      CHECK_FALSE(page->more);
      f.reopen();
    }
  }
}

TEST_SUITE("opening") {
  TEST_CASE("a directory that does not fit is refused in a sentence that says what to do") {
    Fixture f;
    f.options.shards = 8;
    f.open();
    const auto held = f.try_open();
    REQUIRE_FALSE(held);
    CHECK(held.error().code == Errc::storage_locked);
    CHECK(held.error().detail.find(std::to_string(::getpid())) != std::string::npos);
    f.store.reset();
    f.options.shards = 4;
    const auto other = f.try_open();
    REQUIRE_FALSE(other);
    CHECK(other.error().code == Errc::storage_shards_mismatch);
    CHECK(other.error().detail.find("created with 8 shards, asked for 4: start with --shards 8") !=
          std::string::npos);
    f.options.shards = 8;
    f.options.data_dirs.push_back(f.dir.sub("b"));
    CHECK(f.try_open().error().code == Errc::storage_format);
    f.options.data_dirs = {f.dir.path()};
    CHECK(f.try_open().error().detail.find("no Spate data directory") != std::string::npos);
  }

  TEST_CASE("a directory of another format version is refused in one sentence") {
    Fixture f;
    f.open();
    f.store.reset();
    const std::string path = f.dir.sub("a") + "/format";
    std::ifstream in(path);
    std::string text = (std::ostringstream() << in.rdbuf()).str();
    text.replace(text.find("format=2"), 8, "format=1");
    std::ofstream(path) << text;
    const auto opened = f.try_open();
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == Errc::storage_format);
    CHECK(opened.error().detail ==
          f.dir.sub("a") + " was written in format 1 and this version reads format 2: start the "
                           "version that wrote it, or give a new --data-dir");
  }

  TEST_CASE("directories in another order or of another store are refused") {
    Fixture f;
    f.options.shards = 2;
    f.options.data_dirs = {f.dir.sub("a"), f.dir.sub("b")};
    f.open();
    f.store.reset();
    std::swap(f.options.data_dirs[0], f.options.data_dirs[1]);
    CHECK(f.try_open().error().detail.find("order of creation") != std::string::npos);
    f.options.data_dirs = {f.dir.sub("c"), f.dir.sub("d")};
    f.open();
    f.store.reset();
    f.options.data_dirs = {f.dir.sub("a"), f.dir.sub("d")};
    CHECK(f.try_open().error().detail.find("different stores") != std::string::npos);
  }

  TEST_CASE("after stop everything submitted is answered, and later blocks are refused") {
    for (const auto durability : {Durability::fsync, Durability::os, Durability::memory}) {
      Fixture f;
      f.options.durability = durability;
      f.open();
      for (int i = 0; i < 20; ++i) {
        auto make = f.maker();
        make.message("d", 1).row(i, "1");
        f.store->submit(make.take(model::ShardId{0}, f.receipts));
      }
      f.store->stop();
      const auto blocks = f.receipts.wait(20);
      for (std::size_t i = 0; i < blocks.size(); ++i) {
        CHECK(blocks[i]->status == model::CommitStatus::committed);
        CHECK(blocks[i]->rows[0].time_ns == static_cast<std::int64_t>(i));
      }
      CHECK(f.store->queued_bytes(model::ShardId{0}) == 0);
      auto make = f.maker();
      make.message("d", 1).row(99, "1");
      CHECK(f.commit(make)->status == model::CommitStatus::unavailable);
      f.store->stop();
      f.reopen();
      CHECK(f.all("d").size() == 20);
    }
  }
}

TEST_SUITE("threads") {
  TEST_CASE("readers beside a writer see each record once and in order, sealed or not") {
    Fixture f;
    f.options.seal_rows = 3;
    f.open();
    f.put("d", 0, "0");
    std::atomic<std::int64_t> committed{0};
    std::atomic<bool> done{false};
    std::thread reader([&] {
      while (!done.load()) {
        const std::int64_t known = committed.load();
        ScanRequest request;
        request.device = "d";
        request.limit = 100'000;
        const auto page = f.store->scan(request);
        REQUIRE(page);
        REQUIRE(static_cast<std::int64_t>(page->records.size()) > known);
        for (std::size_t i = 0; i < page->records.size(); ++i) {
          REQUIRE(page->records[i].time_ns == static_cast<std::int64_t>(i));
        }
      }
    });
    for (std::int64_t i = 1; i <= 400; ++i) {
      auto make = f.maker(); // Server-stamped: a record shown twice would not be merged.
      make.message("d", i).row(i, "1", "t", model::TsSource::server);
      f.commit(make);
      committed.store(i);
    }
    done.store(true);
    reader.join();
  }
}
