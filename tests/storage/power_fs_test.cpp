// The disk that the other tests stand on: what it forgets at a power cut, and what it keeps.
#include <fstream>

#include <rocksdb/db.h>
#include <rocksdb/sst_file_writer.h>

#include "tests/storage/power_fs.hpp"
#include "tests/storage/store_fixture.hpp"

using namespace spate::storage::test;

namespace {

struct Disk {
  TempDir dir;
  std::shared_ptr<PowerFs> fs = std::make_shared<PowerFs>();
  PowerEnv env{fs};
  std::mt19937 random{1};

  std::string write(const std::string& name, const std::string& text, bool sync) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    REQUIRE(fs->NewWritableFile(dir.sub(name), {}, &file, nullptr).ok());
    REQUIRE(file->Append(text, {}, nullptr).ok());
    if (sync) {
      REQUIRE(file->Fsync({}, nullptr).ok());
    }
    REQUIRE(file->Close({}, nullptr).ok());
    return dir.sub(name);
  }
  void sync_directory() {
    std::unique_ptr<rocksdb::FSDirectory> directory;
    REQUIRE(fs->NewDirectory(dir.path(), {}, &directory, nullptr).ok());
    REQUIRE(directory->Fsync({}, nullptr).ok());
  }
  [[nodiscard]] bool exists(const std::string& name) const {
    return std::filesystem::exists(dir.sub(name));
  }
};

} // namespace

TEST_SUITE("power fs") {
  TEST_CASE("a link whose directory was not synced vanishes, and the file stays") {
    Disk disk;
    const std::string file = disk.write("a", "bytes", true);
    disk.sync_directory();
    REQUIRE(disk.fs->LinkFile(file, disk.dir.sub("b"), {}, nullptr).ok());
    disk.fs->cut(disk.random, false);
    CHECK(disk.exists("a"));
    CHECK_FALSE(disk.exists("b"));
  }

  TEST_CASE("a link is as durable as the bytes of its file, and syncs them for both") {
    for (const bool synced : {false, true}) {
      Disk disk;
      const std::string file = disk.write("a", "bytes", false);
      REQUIRE(disk.fs->LinkFile(file, disk.dir.sub("b"), {}, nullptr).ok());
      if (synced) {
        std::unique_ptr<rocksdb::FSWritableFile> link;
        REQUIRE(disk.fs->ReopenWritableFile(disk.dir.sub("b"), {}, &link, nullptr).ok());
        REQUIRE(link->Sync({}, nullptr).ok());
      }
      disk.sync_directory();
      disk.fs->cut(disk.random, false);
      CHECK(std::filesystem::file_size(disk.dir.sub("a")) == (synced ? 5 : 0));
      CHECK(std::filesystem::file_size(disk.dir.sub("b")) == (synced ? 5 : 0));
    }
  }

  TEST_CASE("a deletion that was not synced may be undone, one that was stays") {
    int back = 0;
    for (int i = 0; i < 20; ++i) {
      for (const bool synced : {false, true}) {
        Disk disk;
        disk.random.seed(static_cast<unsigned>(i));
        const std::string file = disk.write("a", "bytes", true);
        disk.sync_directory();
        REQUIRE(disk.fs->DeleteFile(file, {}, nullptr).ok());
        if (synced) {
          disk.sync_directory();
        }
        disk.fs->cut(disk.random, false);
        CHECK_FALSE((synced && disk.exists("a")));
        back += disk.exists("a") ? 1 : 0;
      }
    }
    CHECK(back > 0);
    CHECK(back < 20);
  }

  TEST_CASE("a file that the database took in by a link survives a cut, wherever it comes") {
    for (const bool dies : {false, true}) {
      int there = 0;
      for (std::uint64_t n = 1; n <= (dies ? 40 : 1); ++n) {
        Disk disk;
        rocksdb::Options options;
        options.env = &disk.env;
        options.create_if_missing = true;
        const std::string path = disk.dir.sub("db");
        rocksdb::DB* db = nullptr;
        REQUIRE(rocksdb::DB::Open(options, path, &db).ok());
        REQUIRE(db->Put({}, "a", "old").ok());
        rocksdb::WriteOptions sync;
        sync.sync = true;
        REQUIRE(db->Put(sync, "b", "old").ok());
        if (dies) {
          disk.fs->die_after(n);
        }
        rocksdb::SstFileWriter writer({}, options);
        bool taken = writer.Open(disk.dir.sub("x.sst")).ok() && writer.Put("b", "new").ok() &&
                     writer.Put("c", "new").ok() && writer.Finish().ok();
        rocksdb::IngestExternalFileOptions ingest;
        ingest.move_files = true;
        taken = taken && db->IngestExternalFile({disk.dir.sub("x.sst")}, ingest).ok();
        delete db;
        disk.fs->cut(disk.random, n % 2 == 0);
        REQUIRE(rocksdb::DB::Open(options, path, &db).ok());
        std::string b;
        std::string c;
        REQUIRE(db->Get({}, "b", &b).ok());
        const bool new_there = db->Get({}, "c", &c).ok();
        CHECK((b == "new") == new_there); // All of the file, or nothing.
        if (taken) {
          CHECK(new_there);
        }
        there += new_there ? 1 : 0;
        delete db;
      }
      CHECK(there > 0);
      CHECK((!dies || there < 40));
    }
  }
}
