#include <fstream>
#include <set>
#include <thread>

#include <rocksdb/db.h>

#include "storage/kept_log.hpp"
#include "storage/keys.hpp"
#include "storage/log_codec.hpp"
#include "storage/wal_file.hpp"
#include "tests/storage/kept_log_fixture.hpp"
#include "tests/storage/live_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

namespace {

namespace fs = std::filesystem;

struct KeptFixture : Fixture {
  UuidSource ids{1};

  std::string database() const { return options.data_dirs[0] + "/db"; }
  std::set<std::string> archived() const {
    std::set<std::string> out;
    std::error_code error;
    for (fs::directory_iterator each(KeptLog::archive_path(database()), error), end;
         !error && each != end; each.increment(error)) {
      out.insert(each->path().filename().string());
    }
    return out;
  }
  void compact() {
    const Uuid id = ids.next(received_ms);
    REQUIRE(store->compact(id));
    await(id);
  }
  Operation erase(const std::string& device) {
    EraseRequest request;
    request.operation = ids.next(received_ms);
    request.device = device;
    auto begun = store->erase(request);
    REQUIRE(begun);
    return *begun;
  }
  /// Whether some file of the data directory holds these bytes.
  bool on_disk(const std::string& bytes) const {
    for (const auto& each : fs::recursive_directory_iterator(options.data_dirs[0])) {
      if (each.is_regular_file()) {
        std::ifstream file(each.path(), std::ios::binary);
        const std::string content((std::istreambuf_iterator<char>(file)), {});
        if (content.find(bytes) != std::string::npos) {
          return true;
        }
      }
    }
    return false;
  }
  Result<LogPage> page(const LogPosition& after, std::size_t limit = 1000) {
    LogRequest request;
    request.after = after;
    request.limit = limit;
    return store->log(request);
  }
};

/// A database with nothing but log files, each written by an opening of its own.
struct LogFiles {
  TempDir dir;
  std::string path = dir.sub("db");

  struct Entry {
    std::uint64_t sequence;
    std::string text; ///< In place of a commit's rows.
    bool repeat = false;
  };
  static std::string commit_of(const std::string& text) {
    LogEncoder encoder;
    encoder.begin(1, 0, 1'700'000'000'000, {});
    return std::string(encoder.bytes()) + text;
  }
  void add_file(const std::vector<Entry>& entries) const {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.WAL_ttl_seconds = 1'000'000;
    options.avoid_flush_during_recovery = false;
    rocksdb::DB* opened = nullptr;
    REQUIRE(rocksdb::DB::Open(options, path, &opened).ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    for (const Entry& entry : entries) {
      rocksdb::WriteBatch batch;
      if (entry.repeat) {
        repeat_commit(batch, entry.sequence, commit_of(entry.text));
      } else {
        REQUIRE(batch.Put(number_key(7), "as a refused record has").ok());
        mark_commit(batch);
        REQUIRE(batch.Put(number_key(entry.sequence), commit_of(entry.text)).ok());
      }
      REQUIRE(db->Write({}, &batch).ok());
    }
  }
  /// "sequence text" of the commits from `from` on, of which `last` is durable.
  Texts read(std::uint64_t from, std::uint64_t last) const {
    KeptLogOptions options;
    options.path = path;
    options.bytes_max = 1u << 30;
    const KeptLog log(options, last);
    Texts out;
    const std::size_t head = commit_of("").size();
    REQUIRE(log.read(from, {}, [&](const KeptLog::Commit& commit) {
      out.push_back(std::to_string(commit.sequence) + " " + std::string(commit.bytes.substr(head)) +
                    (commit.damaged ? "!" : ""));
      return true;
    }));
    return out;
  }
};

} // namespace

TEST_SUITE("log files") {
  TEST_CASE("what a later file says overrules what recovery has dropped of an earlier one") {
    LogFiles f;
    f.add_file({{1, "a"}, {2, "b"}, {3, "c"}, {4, "dropped"}, {5, "dropped"}});
    f.add_file({{3, "c", true}, {4, "d"}});
    f.add_file({{4, "d", true}});
    f.add_file({{4, "d", true}, {5, "e"}, {6, "not synced"}});
    CHECK(f.read(0, 5) == Texts{"1 a", "2 b", "3 c", "4 d", "5 e"});
    CHECK(f.read(2, 5) == Texts{"2 b", "3 c", "4 d", "5 e"});
    CHECK(f.read(5, 5) == Texts{"5 e"});
    CHECK(f.read(6, 5).empty());
    CHECK(f.read(3, 4) == Texts{"3 c", "4 d"});
  }

  TEST_CASE(
      "a record as large as many blocks is read whole, and entries like commits are not taken") {
    LogFiles f;
    const std::string large(300'000, 'x');
    f.add_file({{1, large}, {2, "b"}, {3, std::string(32'740, 'y')}, {4, "d"}});
    const Texts read = f.read(0, 4);
    REQUIRE(read.size() == 4);
    CHECK(read[0] == "1 " + large);
    CHECK(read[3] == "4 d");
  }

  TEST_CASE(
      "a file that is cut anywhere ends there, and a changed byte is never read as a commit") {
    LogFiles f;
    f.add_file({{1, "one"}, {2, "two"}, {3, "three"}});
    std::string file;
    for (const auto& each : fs::directory_iterator(f.path)) {
      if (each.path().extension() == ".log" && each.file_size() != 0) {
        file = each.path();
      }
    }
    std::ifstream in(file, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    const Texts all = {"1 one", "2 two", "3 three"};
    const auto with = [&](const std::string& content) {
      std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
      return f.read(0, 3);
    };
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
      const Texts read = with(bytes.substr(0, size));
      REQUIRE(read.size() <= all.size());
      CHECK(std::equal(read.begin(), read.end(), all.begin()));
    }
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ 0x41);
      const Texts read = with(changed);
      REQUIRE(read.size() < all.size());
      CHECK(std::equal(read.begin(), read.end(), all.begin()));
    }
  }
}

TEST_SUITE("kept log") {
  TEST_CASE("records come in the order of their commits, with positions, and each only once") {
    KeptFixture f;
    f.open();
    f.put("a", 10, "1.50");
    auto make = f.maker();
    make.message("b", f.received_ms++).row(30, "3").row(20, "2", "t", model::TsSource::server);
    make.message("a", f.received_ms++).row(5, "0");
    f.commit(make);
    Consumer consumer;
    CHECK(consumer.read(*f.store) ==
          Texts{"0.1.1 a 10=1.50", "0.2.1 b 30=3", "0.2.2 b 20=2", "0.2.3 a 5=0"});
    CHECK(consumer.read(*f.store).empty());
    f.put("b", 40, "4");
    CHECK(consumer.read(*f.store) == Texts{"0.3.1 b 40=4"});
    CHECK(consumer.gaps.empty());
    const auto first = f.page({});
    REQUIRE(first);
    CHECK(first->records[0].received_ms == 1'700'000'000'000);
    CHECK(first->records[0].source == model::TsSource::device);
    CHECK(first->records[2].source == model::TsSource::server);
  }

  TEST_CASE("a reader goes on in the middle of a commit, behind any record") {
    KeptFixture f;
    f.open();
    for (int commit = 0; commit < 3; ++commit) {
      auto make = f.maker();
      for (int i = 0; i < 5; ++i) {
        make.message("d", f.received_ms++).row(10 * commit + i, std::to_string(i));
      }
      f.commit(make);
    }
    const Texts all = Consumer().read(*f.store);
    REQUIRE(all.size() == 15);
    for (const std::size_t limit : {1u, 2u, 5u, 7u}) {
      for (const bool hinted : {true, false}) {
        Consumer by_pages;
        Texts read;
        by_pages.request.limit = limit;
        for (bool more = true; more;) {
          auto page = f.store->log(by_pages.request);
          REQUIRE(page);
          for (const LogRecord& record : page->records) {
            read.push_back(storage::text_of(record.position));
          }
          CHECK(page->records.size() <= limit);
          by_pages.request.after = page->next;
          by_pages.request.hint = hinted ? page->hint : LogHint{};
          more = page->more;
        }
        REQUIRE(read.size() == 15);
        for (std::size_t i = 0; i < all.size(); ++i) {
          CHECK(all[i].rfind(read[i] + " ", 0) == 0);
        }
      }
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto position = parse_log_position(all[i].substr(0, all[i].find(' ')));
      REQUIRE(position);
      CHECK(Consumer(*position).read(*f.store) ==
            Texts(all.begin() + static_cast<std::ptrdiff_t>(i) + 1, all.end()));
    }
  }

  TEST_CASE("records stay readable after restarts, and after their log windows are dropped") {
    KeptFixture f;
    f.options.seal_rows = 2;
    f.open();
    Texts sent;
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 5; ++i) {
        const int time = 10 * round + i;
        f.put("d", time, std::to_string(time));
        sent.push_back("d " + std::to_string(time) + "=" + std::to_string(time));
      }
      if (round == 1) {
        f.compact();
      }
      if (round == 2) {
        f.reopen();
      }
      f.reopen();
    }
    CHECK(f.archived().size() >= 3);
    Consumer consumer;
    CHECK(without_positions(consumer.read(*f.store)) == sent);
    CHECK(consumer.gaps.empty());
  }

  TEST_CASE("a device's records are picked, and an unknown device is an error") {
    KeptFixture f;
    f.open();
    f.put("a", 1, "1");
    f.put("b", 2, "2");
    f.put("a", 3, "3");
    Consumer consumer;
    consumer.request.device = "a";
    CHECK(consumer.read(*f.store) == Texts{"0.1.1 a 1=1", "0.3.1 a 3=3"});
    LogRequest request;
    request.device = "nobody";
    const auto refused = f.store->log(request);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::device_unknown);
  }

  TEST_CASE("a position that is not reached yet, or is of no directory, is an error") {
    KeptFixture f;
    f.open();
    f.put("d", 1, "1");
    CHECK(f.page({0, 1, 1}));
    CHECK(f.page({0, 2, 0}));
    for (const LogPosition& ahead : {LogPosition{0, 2, 1}, LogPosition{0, 3, 0}}) {
      const auto refused = f.page(ahead);
      REQUIRE_FALSE(refused);
      CHECK(refused.error().code == Errc::cursor_invalid);
    }
    CHECK(f.page({1, 0, 0}).error().code == Errc::cursor_invalid);
    for (const char* text : {"", "1", "1.2", "1.2.3.4", "1.2.x", "-1.2.3", "70000.1.1", "0.0.1",
                             "0.18446744073709551615.0", " 0.1.1", "0.1.1 "}) {
      CAPTURE(text);
      CHECK_FALSE(parse_log_position(text));
    }
    CHECK(parse_log_position("3.4711.12") == LogPosition{3, 4711, 12});
  }

  TEST_CASE("without retention nothing is kept, and what was kept before goes") {
    KeptFixture f;
    f.open();
    f.put("d", 1, "1");
    f.reopen();
    CHECK_FALSE(f.archived().empty());
    f.options.log_retention_bytes = 0;
    f.reopen();
    CHECK_FALSE(KeptLog::is_kept(f.database()));
    CHECK(f.page({}).error().code == Errc::usage);
    f.put("d", 2, "2");
    f.options.log_retention_bytes = 1u << 20;
    f.reopen();
    f.put("d", 3, "3");
    Consumer consumer({0, 1, 1});
    CHECK(without_positions(consumer.read(*f.store)).back() == "d 3=3");
    f.reopen();
    CHECK(f.all("d").size() == 3);
  }

  TEST_CASE("too many bytes remove the oldest files, and who stands there hears of a gap") {
    KeptFixture f;
    f.options.log_retention_bytes = 8'000;
    f.open();
    for (int round = 0; round < 20; ++round) {
      auto make = f.maker();
      for (int i = 0; i < 100; ++i) {
        make.message("d", f.received_ms++).row(100 * round + i, std::to_string(i));
      }
      f.commit(make);
      f.reopen();
    }
    const auto bytes = [&f] { return f.store->stats().kept_logs.at(0).bytes; };
    while (bytes() == 0 || bytes() > 8'000) {
      std::this_thread::yield();
    }
    const KeptLogFigures kept = f.store->stats().kept_logs.at(0);
    CHECK(kept.first_commit > 1);
    CHECK(kept.first_ms > 1'700'000'000'000);
    CHECK(kept.last_commit >= 20);
    Consumer behind({0, 1, 7});
    const Texts left = behind.read(*f.store);
    CHECK(left.size() >= 100);
    CHECK(left.size() < 2'000);
    CHECK(left.size() % 100 == 0);
    CHECK(without_positions(left).back() == "d 1999=99");
    REQUIRE(behind.gaps.size() == 1);
    CHECK(behind.gaps[0].after == LogPosition{0, 1, 7});
    CHECK(behind.gaps[0].first == LogPosition{0, kept.first_commit, 0});
    CHECK_FALSE(behind.gaps[0].damaged);
    Consumer new_one;
    CHECK(new_one.read(*f.store) == left);
    CHECK(new_one.gaps.empty());
  }

  TEST_CASE("files whose records are all too old are removed") {
    KeptFixture f;
    f.options.log_retention_s = 60;
    f.open();
    f.put("d", 1, "1");
    f.reopen();
    f.put("d", 2, "2");
    f.reopen();
    CHECK(Consumer().read(*f.store).size() == 2);
    f.received_ms += 61'000;
    f.put("d", 3, "3");
    f.reopen();
    f.put("d", 4, "4");
    while (f.store->stats().kept_logs.at(0).first_commit < 2) {
      std::this_thread::yield();
    }
    const auto left = without_positions(Consumer().read(*f.store));
    CHECK(left.back() == "d 4=4");
    CHECK(left.front() != "d 1=1");
  }

  TEST_CASE("a damaged file is a gap that says so, and what comes behind it is read") {
    KeptFixture f;
    f.open();
    for (int i = 1; i <= 6; ++i) {
      f.put("d", i, std::to_string(i));
      if (i % 2 == 0) {
        f.reopen();
      }
    }
    const Texts all = Consumer().read(*f.store);
    REQUIRE(all.size() == 6);
    // The second file, whose first record repeats commit 2.
    const auto files = f.archived();
    REQUIRE(files.size() >= 3);
    const std::string path = KeptLog::archive_path(f.database()) + "/" + *std::next(files.begin());
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-3, std::ios::end);
    file.put('\x7f');
    file.close();
    Consumer consumer;
    const Texts left = consumer.read(*f.store);
    REQUIRE(consumer.gaps.size() <= 1);
    CHECK(left.size() >= 5);
    CHECK(left.back() == all.back());
    if (left.size() == 5) {
      REQUIRE(consumer.gaps.size() == 1);
      CHECK(consumer.gaps[0].damaged);
    }
  }

  TEST_CASE("a disk that is nearly full keeps no log that nobody needs") {
    KeptFixture f;
    f.options.disk_free_min_bytes = 1000;
    std::atomic<std::uint64_t> free_bytes{2000};
    f.internals.disk_space = [&](const std::string&) -> std::optional<DiskSpace> {
      return DiskSpace{free_bytes.load(), 1u << 30};
    };
    f.open();
    for (int i = 1; i <= 3; ++i) {
      f.put("d", i, std::to_string(i));
      f.reopen();
    }
    CHECK_FALSE(f.archived().empty());
    free_bytes = 1999; // Telemetry is taken still.
    while (!f.archived().empty()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10)); // It looks once a second.
    }
    f.put("d", 4, "4");
    CHECK(f.all("d").size() == 4);
    Consumer behind({0, 1, 0});
    CHECK(without_positions(behind.read(*f.store)).back() == "d 4=4");
    CHECK(behind.gaps.size() == 1);
  }

  TEST_CASE("erased records are hidden at once, and their bytes go with the files that hold them") {
    KeptFixture f;
    f.options.seal_rows = 1'000;
    f.open();
    const std::string secret = "9876543210987.125";
    auto make = f.maker();
    make.message("d", f.received_ms++).row(1, secret, "a-field-of-its-own");
    f.commit(make);
    f.put("other", 2, "2");
    f.reopen(); // The file is archived.
    REQUIRE_FALSE(f.archived().empty());
    std::string bytes;
    {
      model::Decimal decimal;
      REQUIRE(model::parse_decimal(secret, decimal));
      model::append_decimal(bytes, decimal);
    }
    CHECK(f.on_disk(bytes));
    const Operation erasure = f.erase("d");
    // At once; and the files may be gone already.
    for (const std::string& line : without_positions(Consumer().read(*f.store))) {
      CHECK(line == "other 2=2");
    }
    f.put("d", 1, "1");
    for (const std::string& line : without_positions(Consumer().read(*f.store))) {
      CHECK((line == "other 2=2" || line == "d 1=1"));
    }
    f.await(erasure.id);
    CHECK(f.all("d").size() == 1); // Came later: it stays.
    f.put("d", 3, "3");
    CHECK_FALSE(f.on_disk(bytes));
    Consumer behind({0, 1, 0});
    const auto left = without_positions(behind.read(*f.store));
    CHECK(left.back() == "d 3=3");
    CHECK(left.front().find(secret) == std::string::npos);
    REQUIRE(behind.gaps.size() == 1);
    CHECK(behind.gaps[0].after == LogPosition{0, 1, 0});
    f.reopen();
    CHECK(without_positions(Consumer().read(*f.store)) == left);
    CHECK_FALSE(f.on_disk(bytes));
  }

  TEST_CASE("a reader keeps up with a writer and sees every record once, in order") {
    KeptFixture f;
    f.options.seal_rows = 4;
    f.options.log_bytes_max = 1u << 20;
    f.internals.block_buffer_bytes = 64u << 10; // Many files.
    f.open();
    std::atomic<bool> done{false};
    constexpr int kCommits = 1'500;
    std::thread writer([&] {
      for (int i = 0; i < kCommits; ++i) {
        auto make = f.maker();
        for (int k = 0; k < 20; ++k) {
          make.message("d" + std::to_string(k), 1'700'000'000'000 + i).row(i, std::to_string(i));
        }
        f.commit(make);
      }
      done = true;
    });
    Consumer consumer;
    std::vector<std::string> read;
    for (bool last = false; !last;) {
      last = done;
      const auto more = consumer.read(*f.store);
      read.insert(read.end(), more.begin(), more.end());
    }
    writer.join();
    REQUIRE(read.size() == 20 * kCommits);
    std::size_t next = 0;
    for (const std::string& line : without_positions(read)) {
      const std::string value = std::to_string(next / 20);
      REQUIRE(line == "d" + std::to_string(next % 20) + " " + value + "=" + value);
      ++next;
    }
    CHECK(consumer.gaps.empty());
  }

  TEST_CASE("a directory whose log was not marked is read from its first marked commit on") {
    KeptFixture f;
    f.open();
    f.put("d", 1, "1");
    f.store.reset();
    // A log file as an older version left it: the same without the markers.
    for (const auto& each : fs::directory_iterator(f.database())) {
      if (each.path().extension() == ".log") {
        fs::resize_file(each.path(), 0);
      }
    }
    f.shapes = std::make_unique<model::ShapeTable>();
    f.open();
    f.put("d", 2, "2");
    CHECK(without_positions(Consumer().read(*f.store)).back() == "d 2=2");
  }
}
