// A check finds what is damaged in generations, runs and other files, and nothing where all is
// sound.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include <rocksdb/metadata.h>

#include "storage/store_check.hpp"
#include "tests/storage/live_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

namespace {

constexpr int kRows = 2000;

struct CheckFixture : LiveFixture {
  CheckFixture() {
    options.policy.rows = 16;
    open();
    auto make = maker();
    for (int i = 0; i < kRows; ++i) {
      for (const char* device : {"a", "b", "c"}) {
        // Numbers that can not be packed, so that each device has data blocks for itself.
        make.message(device, now_ms)
            .row(1000 + i, std::to_string(i * std::int64_t{2'654'435'761} % 1'000'000'007));
      }
      if (i % 16 == 15) {
        commit(make);
      }
    }
    make.rejection("r", model::RejectReason::payload_not_json, now_ms);
    commit(make);
    commit(make);
    REQUIRE(live->flush().ok());
    view = live->blocks().blocks();
  }
  ~CheckFixture() { view.reset(); }

  Result<CheckReport> try_check(const CheckWatch& watch = [](auto, auto) { return true; }) {
    return check_directory({live->database(), *view, "dir", dir.sub("quarantine"),
                            [this](std::uint32_t device, std::uint32_t series) {
                              return live->owner(device, series);
                            }},
                           watch);
  }
  CheckReport check() {
    auto report = try_check();
    REQUIRE(report);
    return std::move(*report);
  }
  /// The one fault that there is.
  std::string fault() {
    const CheckReport report = check();
    CAPTURE(json_of(report));
    REQUIRE(report.faults.size() == 1);
    return report.faults[0];
  }
  /// Folds everything into one run.
  void fold() {
    view.reset();
    const auto turn = [this] {
      auto none = maker();
      live->tick_log();
      commit(none);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    };
    live->freeze();
    while (live->blocks().freezing()) {
      turn();
    }
    const auto progress = live->blocks().maintenance().compact();
    while (progress->state < CompactProgress::State::done) {
      turn();
    }
    REQUIRE(progress->state == CompactProgress::State::done);
    view = live->blocks().blocks();
    REQUIRE(view->runs->size() == 1);
  }
  /// Changes bytes of all files of a column family, from the beginning of the first data block on.
  void damage(const std::string& family) {
    std::vector<rocksdb::LiveFileMetaData> files;
    live->database().GetLiveFilesMetaData(&files);
    int damaged = 0;
    for (const auto& file : files) {
      if (file.column_family_name == family) {
        std::fstream bytes(file.db_path + file.name,
                           std::ios::in | std::ios::out | std::ios::binary);
        bytes.seekg(20);
        const int old = bytes.get();
        bytes.seekp(20);
        bytes.put(static_cast<char>(old ^ 0x55));
        ++damaged;
      }
    }
    REQUIRE(damaged > 0);
  }
  void reopen() {
    view.reset();
    open();
    view = live->blocks().blocks();
  }
  struct Block {
    BlockKey key;
    std::string bytes;
  };
  /// The first block of the generation.
  Block first_block() {
    rocksdb::ReadOptions all;
    all.total_order_seek = true;
    const std::unique_ptr<rocksdb::Iterator> at(
        live->database().NewIterator(all, view->generations.front()->handle()));
    at->SeekToFirst();
    REQUIRE(at->Valid());
    Block out;
    REQUIRE(parse_block_key(view_of(at->key()), out.key));
    out.bytes = at->value().ToString();
    return out;
  }
  void put(const BlockKey& key, const std::string& bytes) {
    REQUIRE(
        live->database().Put({}, view->generations.front()->handle(), block_key(key), bytes).ok());
    auto now = std::make_shared<BlocksView>(*view);
    now->snapshot.reset(); // As it is now.
    view = now;
  }
  /// The view with another description of its run.
  void say(const std::function<void(Run&)>& change) {
    auto now = std::make_shared<BlocksView>(*view);
    std::vector<Run> runs = *view->runs;
    change(runs[0]);
    now->runs = std::make_shared<const std::vector<Run>>(std::move(runs));
    view = now;
  }
  static bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  std::shared_ptr<const BlocksView> view;
};

} // namespace

TEST_SUITE("store check") {
  TEST_CASE("a sound directory has no faults, and every sealed row is looked at") {
    CheckFixture f;
    StoreStats stats;
    f.live->add_to(stats);
    const CheckReport small = f.check();
    CHECK(small.faults == std::vector<std::string>{});
    CHECK(small.rows == 3 * kRows - stats.tail_rows);
    CHECK(small.blocks >= small.rows / 64);
    CHECK(small.bytes > small.rows);
    f.fold();
    const CheckReport folded = f.check();
    CHECK(folded.faults == std::vector<std::string>{});
    CHECK(folded.rows >= small.rows);
    CHECK(folded.blocks < small.blocks);
  }

  TEST_CASE("flipped bytes of a generation and of a run are told with place and devices") {
    CheckFixture f;
    SUBCASE("generation") {
      f.damage("blk0");
      f.reopen();
      const std::string fault = f.fault();
      CHECK(f.has(fault, "dir: blocks of generation 0 with records of a"));
      CHECK(f.has(fault, "are lost"));
    }
    SUBCASE("run") {
      f.fold();
      const std::string run = "run " + std::to_string(f.view->runs->front().number);
      f.damage("runs");
      f.reopen();
      const CheckReport report = f.check();
      REQUIRE(report.faults.size() == 1);
      CHECK(f.has(report.faults[0], "dir: blocks of " + run + " with records of a"));
      CHECK(report.rows < 3 * kRows);
    }
  }

  TEST_CASE("damage that the cache hides is found in the file") {
    CheckFixture f;
    f.fold();
    CHECK(f.check().good());
    REQUIRE(f.all("a").records.size() == kRows); // Its blocks are cached now.
    f.damage("runs");
    CHECK_FALSE(f.check().good());
  }

  TEST_CASE("damage of what is no block is found too") {
    CheckFixture f;
    f.reopen(); // Replayed logs are flushed.
    REQUIRE(f.live->database().Flush({}, f.live->families().rejections).ok());
    f.view = f.live->blocks().blocks();
    f.damage("rejections");
    CHECK(f.has(f.fault(), " of rejections can not be read whole: "));
  }

  TEST_CASE("a block that is not what its key says is told") {
    CheckFixture f;
    const auto block = f.first_block();
    BlockKey key = block.key;
    std::string bytes = block.bytes;
    std::string why;
    SUBCASE("last time") {
      key.last_time_ns += 1;
      why = "its key says another time than it does";
    }
    SUBCASE("device") {
      key.device = 99;
      why = "no device has this number";
    }
    SUBCASE("series") {
      key.series = series_of(3, shape_of(key.series));
      why = "the device is not known to have records of this series";
    }
    SUBCASE("overlapping main blocks") {
      key.order += 1;
      why = "its times overlap those of another main block";
    }
    SUBCASE("its own checksum") {
      bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
      why = "";
    }
    f.put(key, bytes);
    const std::string fault = f.fault();
    CAPTURE(fault);
    CHECK(f.has(fault, "dir: a block of generation 0 with records of device "));
    CHECK(f.has(fault, "is damaged: " + why));
    CHECK(f.has(fault, " records are lost."));
  }

  TEST_CASE("a run that is not as the catalogue says is told") {
    CheckFixture f;
    f.fold();
    std::string what;
    SUBCASE("rows") {
      f.say([](Run& run) { run.rows += 1; });
      what = "but the catalogue says " + std::to_string(3 * kRows + 1) + " in ";
    }
    SUBCASE("blocks") {
      f.say([](Run& run) { run.blocks -= 1; });
      what = "late), but the catalogue says ";
    }
    SUBCASE("bytes") {
      f.say([](Run& run) { run.bytes += 1; });
      what = " bytes, but the catalogue says ";
    }
    SUBCASE("times") {
      f.say([](Run& run) { run.last_time_ns -= 1; });
      what = "readers may pass over some of them";
    }
    SUBCASE("retention") {
      f.say([](Run& run) { run.retention_class = 5; });
      what = "it is kept for another time than its run";
    }
    const CheckReport report = f.check();
    REQUIRE_FALSE(report.faults.empty());
    CHECK(f.has(report.faults[0], what));
  }

  TEST_CASE("what was set aside is listed until it is taken away") {
    CheckFixture f;
    Quarantine quarantine(f.dir.sub("quarantine"), "dir");
    BlockKey key = f.first_block().key;
    REQUIRE(quarantine.set_aside({key, 5, "run 17", "its checksum is wrong"}, "bytes"));
    REQUIRE(quarantine.report({{2, 0, BlockKind::main, 9, 0}, 5, "run 18", "it is cut"}));
    const CheckReport report = f.check();
    REQUIRE(report.faults.size() == 2);
    CHECK(f.has(report.faults[0], "quarantine/1.txt: a block of run 17 with records of device a"));
    CHECK(f.has(report.faults[0], "its checksum is wrong"));
    CHECK(f.has(report.faults[1], "quarantine/2.txt: a part of run 18 with records of device b"));
    std::filesystem::remove_all(f.dir.sub("quarantine"));
    CHECK(f.check().good());
  }

  TEST_CASE("a check tells its steps and ends when it is told to") {
    CheckFixture f;
    std::uint64_t last = 0;
    std::uint64_t of = 0;
    REQUIRE(f.try_check([&](std::uint64_t done, std::uint64_t total) {
      CHECK(done == last + 1);
      CHECK(total >= done);
      last = done;
      of = total;
      return true;
    }));
    CHECK(last <= of);
    CHECK(f.try_check([](std::uint64_t done, std::uint64_t) { return done < 3; }).error().code ==
          Errc::storage_unavailable);
  }

  TEST_CASE("reports become text, are joined, and do not grow without end") {
    CheckReport a;
    a.blocks = 1;
    a.rows = 2;
    a.bytes = 3;
    CheckReport b = a;
    CHECK(json_of(a) == R"({"blocks":1,"rows":2,"bytes":3,"faults":[]})");
    CHECK(join_reports(json_of(a), json_of(b)) == R"({"blocks":2,"rows":4,"bytes":6,"faults":[]})");
    b.add("a \"b\" \\ \n \xff");
    CHECK(json_of(b) == R"({"blocks":1,"rows":2,"bytes":3,"faults":["a \"b\" \\ ? ?"]})");
    CHECK(join_reports(json_of(a), json_of(b)) ==
          R"({"blocks":2,"rows":4,"bytes":6,"faults":["a \"b\" \\ ? ?"]})");
    CHECK(join_reports(json_of(b), json_of(b)) ==
          R"({"blocks":2,"rows":4,"bytes":6,"faults":["a \"b\" \\ ? ?","a \"b\" \\ ? ?"]})");
    for (std::size_t i = 0; i < kCheckFaultsMax + 6; ++i) {
      b.add("x");
    }
    CHECK(b.faults.size() == kCheckFaultsMax);
    CHECK(json_of(b).ends_with(R"(,"7 more faults are not listed."]})"));
  }

  TEST_CASE("the operation checks all data directories beside the work and keeps its result") {
    Fixture f;
    f.options.data_dirs = {f.dir.sub("a"), f.dir.sub("b")};
    f.options.shards = 2;
    f.open();
    for (int i = 0; i < 20; ++i) {
      f.put("d" + std::to_string(i), 1000, "1");
    }
    UuidSource ids(1);
    const auto ended = [&](const Uuid& id) {
      for (;; std::this_thread::sleep_for(std::chrono::milliseconds(1))) {
        const auto operation = f.store->operation(id);
        REQUIRE(operation);
        REQUIRE(*operation);
        if ((*operation)->ended()) {
          return **operation;
        }
      }
    };
    const auto compacted = f.store->compact(ids.next(f.received_ms));
    REQUIRE(compacted);
    REQUIRE(ended(compacted->id).state == OperationState::succeeded);
    const auto begun = f.store->check(ids.next(f.received_ms));
    REQUIRE(begun);
    CHECK(begun->type == OperationType::store_check);
    const Operation done = ended(begun->id);
    CHECK(done.state == OperationState::succeeded);
    CHECK(done.result.find(R"({"blocks":20,"rows":20,)") == 0);
    CHECK(done.result.find(R"("faults":[]})") != std::string::npos);
    CHECK(done.done == done.total);
    f.reopen();
    CHECK(ended(begun->id).result == done.result);
  }
}
