#include "storage/backup.hpp"

#include <fstream>
#include <thread>

#include "storage/command_log.hpp"
#include "storage/kept_log.hpp"
#include "tests/storage/damage.hpp"
#include "tests/storage/kept_log_fixture.hpp"
#include "tests/storage/store_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

namespace fs = std::filesystem;

namespace {

struct NoListener final : CommandLogListener {
  void on_logged(std::vector<CommandReceipt>) override {}
  void on_due(std::vector<model::CommandRecord>) override {}
};

struct BackupFixture : Fixture {
  UuidSource ids{1};
  std::string target = dir.sub("backups");
  BackupWatch watch;
  NoListener listener;
  std::unique_ptr<CommandLog> commands;

  ~BackupFixture() {
    commands.reset();
    store.reset();
  }
  void open_commands() {
    CommandLogOptions log;
    log.directory = options.data_dirs[0] + "/commands";
    auto opened = CommandLog::open(log, listener);
    REQUIRE(opened);
    commands = std::move(*opened);
  }
  void close() {
    commands.reset();
    store.reset();
  }
  void put_some(const std::string& device, std::int64_t from, int count) {
    for (int i = 0; i < count; ++i) {
      put(device, from + i, std::to_string(from + i));
    }
  }
  Result<BackupInfo> back_up(std::size_t keep = 0) {
    BackupDatabases databases;
    databases.telemetry = [this](const DatabaseUser& use) { return store->with_databases(use); };
    if (commands != nullptr) {
      databases.small.emplace_back(
          "commands", [this](const DatabaseUser& use) { return commands->with_database(use); });
    }
    return back_up(databases, keep);
  }
  Result<BackupInfo> back_up(const BackupDatabases& databases, std::size_t keep = 0) {
    BackupCreation creation;
    creation.target = target;
    creation.id = ids.next(received_ms);
    creation.created_ms = received_ms;
    creation.version = "1.2.3";
    creation.keep = keep;
    return create_backup(creation, databases, watch);
  }
  /// The records of a device in a restored copy.
  std::size_t restored_records(const BackupInfo& info, const std::string& device) {
    static int copies = 0;
    const std::string copy = dir.sub("restored" + std::to_string(++copies));
    std::vector<std::string> directories;
    for (std::size_t i = 0; i < options.data_dirs.size(); ++i) {
      directories.push_back(copy + std::to_string(i));
    }
    const auto restored = restore_backup(target, info, directories, watch);
    if (!restored) {
      FAIL(restored.error().detail);
    }
    Fixture copied;
    copied.options = options;
    copied.options.data_dirs = directories;
    copied.open();
    return copied.all(device).size();
  }
  /// Changes a byte in a file of the target whose path holds `part`.
  void damage(const std::string& part) const {
    for (const auto& each : fs::recursive_directory_iterator(target)) {
      if (each.is_regular_file() && each.path().string().find(part) != std::string::npos) {
        flip(each.path(), each.file_size() / 2, 0x5a); // Whatever was there is another byte.
        return;
      }
    }
    FAIL("nothing to damage: ", part);
  }
};

} // namespace

TEST_SUITE("backups") {
  TEST_CASE("a backup of a working store holds all that was acknowledged before it") {
    BackupFixture f;
    f.options.data_dirs.push_back(f.dir.sub("b"));
    f.options.shards = 2;
    f.options.seal_rows = 8;
    f.open();
    f.open_commands();
    f.put_some("d1", 0, 100);
    f.put_some("d2", 0, 50);
    const auto made = f.back_up();
    if (!made) {
      FAIL(made.error().detail);
    }
    f.put_some("d1", 1000, 10);
    CHECK(made->parts.size() == 3);
    CHECK(made->size_bytes() > 0);
    CHECK_FALSE(made->incremental);
    CHECK(f.restored_records(*made, "d1") == 100);
    CHECK(f.restored_records(*made, "d2") == 50);
    CHECK(f.store->health()[0].ok);
  }

  TEST_CASE("a restored store keeps the positions up to the backup, and counts on from there") {
    BackupFixture f;
    f.open();
    f.put("d", 1, "1");
    f.reopen(); // Commit 1 lies in the archive now, and once more in the live file.
    f.put("d", 2, "2");
    const auto made = f.back_up();
    REQUIRE(made);
    f.put("d", 3, "3");
    const Texts before = Consumer().read(*f.store);
    REQUIRE(before.size() == 3);
    const std::string copy = f.dir.sub("restored");
    REQUIRE(restore_backup(f.target, *made, {copy}, {}));
    CHECK_FALSE(KeptLog::is_kept(copy + "/db"));
    Fixture restored;
    restored.options = f.options;
    restored.options.data_dirs = {copy};
    restored.open();
    Consumer behind({0, 1, 1});
    CHECK(behind.read(*restored.store) == Texts{before[1]});
    CHECK(behind.gaps.empty());
    LogRequest ahead;
    ahead.after = {0, 3, 1};
    CHECK(restored.store->log(ahead).error().code == Errc::cursor_invalid);
    restored.put("d", 4, "4");
    CHECK(behind.read(*restored.store) == Texts{"0.3.1 d 4=4"});
  }

  TEST_CASE("writers go on during a backup, and what it holds is a beginning of what they wrote") {
    BackupFixture f;
    f.options.seal_rows = 4;
    f.options.log_bytes_max = 1u << 20;
    f.internals.window_bytes = 4096;
    f.internals.block_buffer_bytes = 64u << 10;
    f.open();
    f.put_some("d", 0, 50);
    std::atomic<bool> done{false};
    std::int64_t acknowledged = 50;
    std::vector<std::pair<BackupInfo, std::int64_t>> made; // With what was acknowledged before it.
    std::thread maker([&] {
      for (int i = 0; i < 5; ++i) {
        const std::int64_t before = __atomic_load_n(&acknowledged, __ATOMIC_ACQUIRE);
        auto backup = f.back_up();
        if (backup) {
          made.emplace_back(std::move(*backup), before);
        }
      }
      done = true;
    });
    while (!done) {
      const std::int64_t next = acknowledged;
      f.put("d", next, std::to_string(next));
      __atomic_store_n(&acknowledged, next + 1, __ATOMIC_RELEASE);
    }
    maker.join();
    REQUIRE(made.size() == 5);
    for (const auto& [info, before] : made) {
      CHECK(f.restored_records(info, "d") >= static_cast<std::size_t>(before));
      CHECK(verify_backup(f.target, info, false, {}));
    }
  }

  TEST_CASE("a second backup shares the files of the first, and outlives it") {
    BackupFixture f;
    f.options.seal_rows = 4;
    f.open();
    f.put_some("d", 0, 500);
    f.reopen(); // Flushes.
    const auto first = f.back_up();
    REQUIRE(first);
    f.put_some("d", 1000, 5);
    const auto second = f.back_up();
    REQUIRE(second);
    CHECK(second->new_bytes < first->new_bytes);
    const auto third = f.back_up(1);
    REQUIRE(third);
    auto listed = list_backups(f.target);
    REQUIRE(listed);
    REQUIRE(listed->size() == 1);
    CHECK(listed->front().id == third->id);
    CHECK(f.restored_records(*third, "d") == 505);
    CHECK(find_backup(f.target, first->id).error().code == Errc::usage);
  }

  TEST_CASE("the newest ones are kept, as many as asked for") {
    BackupFixture f;
    f.open();
    std::vector<Uuid> ids;
    for (int i = 0; i < 5; ++i) {
      f.put("d", i, "1");
      const auto made = f.back_up(3);
      REQUIRE(made);
      ids.push_back(made->id);
    }
    const auto listed = list_backups(f.target);
    REQUIRE(listed);
    REQUIRE(listed->size() == 3);
    CHECK(listed->front().id == ids[4]);
    CHECK(listed->back().id == ids[2]);
  }

  TEST_CASE("a backup without its manifest does not exist, and its files go with the next") {
    BackupFixture f;
    f.open();
    f.put("d", 1, "1");
    const auto first = f.back_up();
    REQUIRE(first);
    fs::remove(f.target + "/manifests/" + text_of(first->id));
    CHECK(list_backups(f.target)->empty());
    f.put("d", 2, "2");
    const auto second = f.back_up();
    REQUIRE(second);
    CHECK_FALSE(fs::exists(f.target + "/data0/private/" + std::to_string(first->parts[0].number)));
    CHECK(f.restored_records(*second, "d") == 2);
  }

  TEST_CASE("a closed store is backed up from its directories") {
    BackupFixture f;
    f.options.data_dirs.push_back(f.dir.sub("b"));
    f.options.shards = 2;
    f.open();
    f.open_commands();
    f.put_some("d", 0, 100);
    // Open, it can not be.
    CHECK(f.back_up(closed_databases(f.options.data_dirs)).error().code == Errc::storage_locked);
    f.close();
    CHECK(f.back_up(closed_databases({f.options.data_dirs[0]})).error().code == Errc::usage);
    CHECK(f.back_up(closed_databases({f.dir.sub("none")})).error().code == Errc::usage);
    CHECK_FALSE(fs::exists(f.dir.sub("none")));
    CHECK(list_backups(f.target)->empty());
    const auto made = f.back_up(closed_databases(f.options.data_dirs));
    REQUIRE(made);
    CHECK(made->parts.size() == 3);
    CHECK(f.restored_records(*made, "d") == 100);
    f.open(); // It is as it was.
    CHECK(f.all("d").size() == 100);
  }

  TEST_CASE("verification counts what is there, and leaves nothing behind") {
    BackupFixture f;
    f.options.seal_rows = 8;
    f.open();
    f.put_some("d1", -5, 1500);
    f.put_some("d2", 0, 20);
    const auto made = f.back_up();
    REQUIRE(made);
    const auto report = verify_backup(f.target, *made, false, {});
    if (!report) {
      FAIL(report.error().detail);
    }
    CHECK(report->devices == 2);
    CHECK(report->records == 1520);
    CHECK(report->entries > 0);
    CHECK_FALSE(fs::exists(f.target + "/verify-" + text_of(made->id)));
    const auto quick = verify_backup(f.target, *made, true, {});
    REQUIRE(quick);
    CHECK(quick->records == 0);
    CHECK(quick->bytes == made->size_bytes());
  }

  TEST_CASE("a damaged or missing file is found by verification and stops a restore") {
    for (const bool missing : {false, true}) {
      for (const std::string part : {".sst", ".log", "private/1/MANIFEST", "meta/1"}) {
        CAPTURE(part);
        BackupFixture f;
        f.options.seal_rows = 4;
        f.open();
        f.put_some("d", 0, 300);
        f.reopen();
        f.put_some("d", 1000, 10);
        const auto made = f.back_up();
        REQUIRE(made);
        if (missing) {
          for (const auto& each : fs::recursive_directory_iterator(f.target)) {
            if (each.is_regular_file() && each.path().string().find(part) != std::string::npos) {
              fs::remove(each.path());
              break;
            }
          }
        } else {
          f.damage(part);
        }
        CHECK(verify_backup(f.target, *made, true, {}).error().code == Errc::storage_corrupt);
        CHECK(verify_backup(f.target, *made, false, {}).error().code == Errc::storage_corrupt);
        const std::string copy = f.dir.sub("copy");
        CHECK_FALSE(restore_backup(f.target, *made, {copy}, {}));
        CHECK_FALSE(fs::exists(copy + "/format"));
        CHECK_FALSE(fs::exists(copy + "/db"));
        Fixture copied;
        copied.options.data_dirs = {copy};
        copied.open(); // A new one: nothing of the backup is in it.
        CHECK(copied.store->devices("", 10)->devices.empty());
      }
    }
  }

  TEST_CASE("a manifest whose bytes changed is told, and its files are kept") {
    BackupFixture f;
    f.open();
    f.put("d", 1, "1");
    const auto made = f.back_up();
    REQUIRE(made);
    const std::string path = f.target + "/manifests/" + text_of(made->id);
    std::string text;
    {
      std::ifstream file(path);
      text = (std::ostringstream() << file.rdbuf()).str();
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
      std::string changed = text;
      changed[i] = static_cast<char>(changed[i] ^ 4);
      CHECK_FALSE(decode_manifest(changed));
      CHECK_FALSE(decode_manifest(text.substr(0, i)));
    }
    REQUIRE(decode_manifest(text));
    std::ofstream(path) << text.substr(1);
    std::vector<std::string> damaged;
    CHECK(list_backups(f.target, &damaged)->empty());
    CHECK(damaged.size() == 1);
    CHECK(find_backup(f.target, std::nullopt).error().code == Errc::storage_corrupt);
    f.put("d", 2, "2");
    REQUIRE(f.back_up());
    CHECK(fs::exists(f.target + "/data0/private/" + std::to_string(made->parts[0].number)));
  }

  TEST_CASE("a restore takes new or empty directories only, as many as there were") {
    BackupFixture f;
    f.open();
    f.put("d", 1, "1");
    const auto made = f.back_up();
    REQUIRE(made);
    CHECK(restore_backup(f.target, *made, {f.options.data_dirs[0]}, {}).error().code ==
          Errc::storage_locked);
    CHECK(restore_backup(f.target, *made, {f.dir.sub("x"), f.dir.sub("y")}, {}).error().code ==
          Errc::usage);
    fs::create_directory(f.dir.sub("full"));
    std::ofstream(f.dir.sub("full") + "/letter") << "dear";
    CHECK(restore_backup(f.target, *made, {f.dir.sub("full")}, {}).error().code ==
          Errc::storage_format);
    CHECK(fs::exists(f.dir.sub("full") + "/letter"));
    f.close();
    CHECK(restore_backup(f.target, *made, {f.options.data_dirs[0]}, {}).error().code ==
          Errc::storage_format);
    f.open();
    CHECK(f.all("d").size() == 1);
  }

  TEST_CASE("a target takes one store, and one backup at a time") {
    BackupFixture f;
    f.open();
    f.put("d", 1, "1");
    REQUIRE(f.back_up());
    {
      const auto lock = DirectoryLock::take(f.target);
      REQUIRE(lock);
      CHECK(f.back_up().error().code == Errc::storage_locked);
    }
    BackupFixture other;
    other.target = f.target;
    other.open();
    other.put("d", 1, "1");
    CHECK(other.back_up().error().code == Errc::storage_format);
  }

  TEST_CASE("a backup that is given up leaves no backup, and the next one works") {
    BackupFixture f;
    f.open();
    f.put_some("d", 0, 100);
    f.watch.cancelled = [] { return true; };
    CHECK(f.back_up().error().code == Errc::storage_unavailable);
    CHECK(list_backups(f.target)->empty());
    f.watch.cancelled = {};
    const auto made = f.back_up();
    REQUIRE(made);
    CHECK(f.restored_records(*made, "d") == 100);
  }

  TEST_CASE("progress begins at nothing and ends with all, for each database") {
    BackupFixture f;
    f.open();
    f.open_commands();
    f.put_some("d", 0, 100);
    std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> last;
    f.watch.progress = [&](const BackupProgress& p) {
      last[std::string(p.step)] = {p.done_bytes, p.total_bytes};
    };
    REQUIRE(f.back_up());
    REQUIRE(last.size() == 2);
    for (const auto& [step, bytes] : last) {
      CHECK_MESSAGE(bytes.first == bytes.second, step);
    }
  }
}
