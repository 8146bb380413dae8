// Bytes that changed on the disk: reported or harmless, never wrong data.
#include <algorithm>
#include <fstream>
#include <functional>
#include <random>

#include <rocksdb/metadata.h>

#include "storage/manifest_check.hpp"
#include "tests/storage/damage.hpp"
#include "tests/storage/fault_times.hpp"
#include "tests/storage/live_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;
using model::RowOutcome;

namespace {

void remove_commit(const std::string& path, std::uint64_t sequence) {
  std::vector<std::string> names;
  REQUIRE(rocksdb::DB::ListColumnFamilies({}, path, &names).ok());
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  std::size_t window = names.size();
  for (std::size_t i = 0; i < names.size(); ++i) {
    families.emplace_back(names[i], rocksdb::ColumnFamilyOptions());
    window = names[i] == "log0" ? i : window;
  }
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  REQUIRE(rocksdb::DB::Open({}, path, families, &handles, &db).ok());
  REQUIRE(db->Delete({}, handles.at(window), number_key(sequence)).ok());
  for (auto* handle : handles) {
    db->DestroyColumnFamilyHandle(handle);
  }
  delete db;
}

/// Data in log files, in block files and in the register's.
void fill(LiveFixture& f) {
  f.options.policy.rows = 8;
  f.options.policy.log_bytes_max = 4096;
  f.options.rocks.window_bytes = 1024;
  for (int opening = 0; opening < 3; ++opening) {
    f.open();
    auto make = f.maker();
    for (int i = 0; i < 60; ++i) {
      for (int d = 0; d < 4; ++d) {
        const int time = 1000 * opening + i;
        make.message("d" + std::to_string(d), f.now_ms).row(time, std::to_string(time * (d + 3)));
      }
      f.commit(make);
    }
  }
  f.live.reset();
}

/// Whether every record of fill() is there. A wrong one fails the test; errors are reports.
bool complete(LiveFixture& f, bool& reported) {
  bool all = true;
  for (int d = 0; d < 4; ++d) {
    const std::string device = "d" + std::to_string(d);
    if (f.live->view(device) == nullptr) {
      all = false;
      continue;
    }
    const auto page = f.scan(device);
    if (!page) {
      CHECK(page.error().code == Errc::storage_corrupt);
      reported = true;
      continue;
    }
    std::int64_t last = -1;
    for (const StoredRecord& record : page->records) {
      CHECK(record.time_ns > last);
      last = record.time_ns;
      CHECK(Fixture::text_of(record) == std::to_string(record.time_ns * (d + 3)));
    }
    all = all && page->records.size() == 180;
  }
  return all;
}

/// A filled directory that is copied, changed in one bit, opened and read.
struct Flips {
  TempDir original;
  TempDir pristine;
  std::vector<std::string> files;
  const unsigned seed = seed_or(11);
  std::mt19937 random{seed};
  int reported = 0;
  int harmless = 0;

  Flips() {
    LiveFixture f;
    fill(f);
    std::filesystem::copy(f.options.path, original.sub("db"));
    std::filesystem::copy(f.options.path, pristine.sub("db"));
    for (const auto& entry : std::filesystem::directory_iterator(original.sub("db"))) {
      if (entry.file_size() > 0) {
        files.push_back(entry.path().filename().string());
      }
    }
    std::sort(files.begin(), files.end());
  }
  void one(const std::function<bool(const std::string&)>& wanted) {
    std::string name;
    do {
      name = files[random() % files.size()];
    } while (!wanted(name));
    const auto size = std::filesystem::file_size(original.sub("db") + "/" + name);
    const auto at = random() % size;
    flip_at(name, at, static_cast<int>(random() % 8));
  }
  void flip_at(const std::string& name, std::size_t at, int bit) {
    LiveFixture f;
    f.options.policy.rows = 8;
    std::filesystem::copy(original.sub("db"), f.options.path);
    CAPTURE(name);
    CAPTURE(at);
    CAPTURE(bit);
    flip(std::filesystem::path(f.options.path) / name, at, 1 << bit);
    const StderrCapture log;
    bool told = !f.try_open();
    const bool all = told || complete(f, told);
    told = told || log.holds("log-cut");
    CHECK((all || told));
    reported += told ? 1 : 0;
    harmless += told ? 0 : 1;
  }
  void say(const std::string& where) const {
    if (is_long_form()) {
      MESSAGE(where, ": ", reported + harmless, " flips, ", reported, " reported, ", harmless,
              " harmless, seed ", seed);
    }
  }
};

} // namespace

TEST_SUITE("damage") {
  TEST_CASE("a damaged block is told to who reads it, and stops nobody else and nothing new") {
    LiveFixture f;
    f.open();
    auto make = f.maker();
    const std::string second = "654435747";
    for (int i = 0; i < 4000; ++i) {
      // Numbers that can not be packed, so that each device has data blocks for itself.
      const std::string number = std::to_string(i * std::int64_t{2'654'435'761} % 1'000'000'007);
      make.message("a", f.now_ms).row(1000 + i, number);
      make.message("b", f.now_ms).row(1000 + i, number);
    }
    for (int round = 0; round < 3; ++round) { // Fills, seals, flushes.
      f.commit(make);
    }
    f.open();
    std::vector<rocksdb::LiveFileMetaData> files;
    f.live->database().GetLiveFilesMetaData(&files);
    f.live.reset();
    std::size_t damaged = 0;
    for (const auto& file : files) {
      if (file.column_family_name == "blk0") {
        std::fstream bytes(file.db_path + file.name, std::ios::in | std::ios::out);
        bytes.seekp(100); // In the first data block, which "a" has for itself.
        bytes.put('\x7f');
        ++damaged;
      }
    }
    REQUIRE(damaged > 0);
    f.open();
    make.message("a", f.now_ms).row(9000, "1").row(1001, second);
    CHECK(f.count(*f.commit(make), RowOutcome::stored) == 2); // The repeat can not be recognised.
    for (const bool descending : {false, true}) {
      const auto page = f.scan("a", descending);
      REQUIRE_FALSE(page);
      CHECK(page.error().code == Errc::storage_corrupt);
    }
    make.message("b", f.now_ms).row(9000, "1").row(1001, second);
    CHECK(f.count(*f.commit(make), RowOutcome::duplicate) == 1);
    CHECK(f.all("b").records.size() == 4001);
  }

  TEST_CASE("flipped bits anywhere are reported or harmless") {
    Flips flips;
    for (int round = 0; round < rounds(50); ++round) {
      flips.one([](const std::string&) { return true; });
    }
    CHECK(flips.harmless > 0);
    CHECK(flips.harmless < rounds(50));
    flips.say("anywhere");
  }

  TEST_CASE("flipped bits of the MANIFEST are reported or harmless") {
    Flips flips;
    for (int round = 0; round < rounds(200); ++round) {
      flips.one([](const std::string& file) { return file.rfind("MANIFEST", 0) == 0; });
    }
    flips.say("MANIFEST");
  }

  TEST_CASE("the types and lengths of all records of the MANIFEST and the logs are guarded") {
    Flips flips;
    for (const auto& name : flips.files) {
      const bool manifest = name.rfind("MANIFEST", 0) == 0;
      if (!manifest && !name.ends_with(".log")) {
        continue;
      }
      const auto headers = headers_of(flips.original.sub("db") + "/" + name);
      REQUIRE_FALSE(headers.empty());
      for (std::size_t i = 0; i < headers.size(); i += manifest ? 1 : 1 + headers.size() / 8) {
        for (const int bit : {6 * 8 + 2, 5 * 8 + 5, 4 * 8 + 1}) { // Type, and both bytes of length.
          flips.flip_at(name, headers[i] + static_cast<std::size_t>(bit / 8), bit % 8);
        }
      }
    }
    CHECK(flips.harmless == 0);
  }

  TEST_CASE("a log ends before a record whose type was changed, and the rest stays as it was") {
    Flips flips;
    const std::string path = flips.original.sub("db");
    const auto name = std::find_if(flips.files.rbegin(), flips.files.rend(),
                                   [](const auto& f) { return f.ends_with(".log"); });
    const std::string log = path + "/" + *name;
    const auto headers = headers_of(log);
    REQUIRE(headers.size() > 2);
    const std::string before = read_file(log);
    flip(log, headers[1] + 6, 1 << 2);
    CHECK(find_damaged_logs(path).at(0).place() == *name + " at " + std::to_string(headers[1]));
    const StderrCapture said;
    CHECK(cut_damaged_logs(path, "first"));
    CHECK(said.holds(*name + " at " + std::to_string(headers[1])));
    CHECK(read_file(log) == before.substr(0, headers[1]));
    CHECK(find_damaged_logs(path).empty());
  }

  TEST_CASE("a MANIFEST that was cut in a record opens, as after a crash") {
    Flips flips;
    const auto manifest = std::find_if(flips.files.begin(), flips.files.end(),
                                       [](const auto& f) { return f.rfind("MANIFEST", 0) == 0; });
    const std::string path = flips.original.sub("db") + "/" + *manifest;
    const auto size = std::filesystem::file_size(path);
    for (std::uintmax_t keep = 0; keep <= size; ++keep) {
      std::filesystem::resize_file(path, keep);
      // Cut backwards it would not grow again: so from a copy each time.
      CHECK_MESSAGE(check_manifest(flips.original.sub("db")), "kept ", keep);
      std::filesystem::copy_file(flips.pristine.sub("db") + "/" + *manifest, path,
                                 std::filesystem::copy_options::overwrite_existing);
    }
    std::ofstream(path, std::ios::app | std::ios::binary) << std::string(5000, '\0');
    CHECK(check_manifest(flips.original.sub("db")));
  }

  TEST_CASE("a commit that is missing in the log is refused") {
    LiveFixture f;
    f.open();
    auto make = f.maker();
    for (int i = 0; i < 5; ++i) {
      make.message("d", f.now_ms).row(i, "1");
      f.commit(make);
    }
    f.live.reset();
    remove_commit(f.options.path, 3);
    const auto opened = f.try_open();
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == Errc::storage_corrupt);
    CHECK(opened.error().detail.find("misses commits: its last whole one is 2") !=
          std::string::npos);
  }
}
