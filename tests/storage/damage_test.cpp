// Bytes that changed on the disk: reported or harmless, never wrong data.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <random>
#include <sstream>

#include <fcntl.h>
#include <rocksdb/metadata.h>

#include "tests/storage/live_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;
using model::RowOutcome;

namespace {

/// What is written to stderr meanwhile: the log, as it was not started.
class StderrCapture {
public:
  StderrCapture() : saved_(::dup(2)) {
    std::fflush(stderr);
    const int fd = ::open(path_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(::dup2(fd, 2) == 2);
    ::close(fd);
  }
  ~StderrCapture() {
    std::fflush(stderr);
    ::dup2(saved_, 2);
    ::close(saved_);
  }
  [[nodiscard]] bool holds(const std::string& word) const {
    std::fflush(stderr);
    std::ifstream file(path_);
    const std::string text = (std::ostringstream() << file.rdbuf()).str();
    return text.find(word) != std::string::npos;
  }

private:
  TempDir dir_;
  const std::string path_ = dir_.sub("stderr");
  const int saved_;
};

void flip(const std::filesystem::path& file, std::uintmax_t at, int mask) {
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekg(static_cast<std::streamoff>(at));
  const int old = bytes.get();
  bytes.seekp(static_cast<std::streamoff>(at));
  bytes.put(static_cast<char>(old ^ mask));
}

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
    TempDir original;
    std::vector<std::filesystem::path> files;
    {
      LiveFixture f;
      fill(f);
      std::filesystem::copy(f.options.path, original.sub("db"));
    }
    for (const auto& entry : std::filesystem::directory_iterator(original.sub("db"))) {
      if (entry.file_size() > 0) {
        files.push_back(entry.path().filename());
      }
    }
    std::sort(files.begin(), files.end());
    std::mt19937 random(11);
    int harmless = 0;
    for (int round = 0; round < 50; ++round) {
      LiveFixture f;
      f.options.policy.rows = 8;
      std::filesystem::copy(original.sub("db"), f.options.path);
      const auto& file = files[random() % files.size()];
      const auto at =
          random() % std::filesystem::file_size(std::filesystem::path(f.options.path) / file);
      CAPTURE(file.string());
      CAPTURE(at);
      flip(std::filesystem::path(f.options.path) / file, at, 1 << random() % 8);
      const StderrCapture log;
      bool reported = !f.try_open();
      const bool all = reported || complete(f, reported);
      reported = reported || log.holds("log-cut");
      CHECK((all || reported));
      harmless += reported ? 0 : 1;
    }
    CHECK(harmless > 0);
    CHECK(harmless < 50);
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
