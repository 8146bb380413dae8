// The command log when what lies on disk is damaged, or not its own.
#include <rocksdb/db.h>

#include "storage/command_database.hpp"
#include "storage/command_keys.hpp"
#include "tests/storage/command_fixture.hpp"
#include "tests/storage/damage.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;
using model::CommandState;

TEST_SUITE("command log damage") {
  rocksdb::DB* raw(const CommandFixture& f) {
    rocksdb::DB* db = nullptr;
    REQUIRE(rocksdb::DB::Open({}, f.options.directory, &db).ok());
    return db;
  }

  TEST_CASE("a damaged command is reported and does not hold up the others") {
    CommandFixture f;
    f.open();
    const auto bad = f.created();
    const auto good = f.created();
    f.log.reset();
    {
      const std::unique_ptr<rocksdb::DB> db(raw(f));
      const auto key = command_keys::command(command_keys::kProgress, "d", bad.id);
      REQUIRE(db->Put({}, key, "?").ok());
    }
    f.open();
    CHECK(f.log->find("d", bad.id).error().code == Errc::storage_corrupt);
    CHECK(f.log->list({"d", {}, 10, std::nullopt}).error().code == Errc::storage_corrupt);
    const auto load = f.ask(CommandLoad{"d", bad.id});
    CHECK(load.status == CommandLogStatus::unavailable);
    CHECK(load.detail == name_of_command("d", bad.id) + " can not be read: it is damaged");
    CHECK(f.ask(f.update(bad, CommandState::sent)).status == CommandLogStatus::unavailable);
    const auto page = f.ask(CommandPageLoad{"d", std::nullopt, 10});
    REQUIRE(page.page.size() == 1);
    CHECK(page.page[0].command == good);
    CHECK(page.detail == load.detail);
    f.finish(good);
    f.clock_ms += 100'000; // It is due: told never, and nothing stops.
    f.log->poke();
    f.created();
    CHECK_FALSE(f.ears.heard_due());
  }

  TEST_CASE("a log with a changed record type is replayed up to it, and that is said") {
    CommandFixture f;
    f.open();
    const auto kept = f.created();
    std::string log;
    for (const auto& entry : std::filesystem::directory_iterator(f.options.directory)) {
      log = entry.path().extension() == ".log" ? entry.path().string() : log;
    }
    const std::size_t records = headers_of(log).size();
    const auto lost = f.created();
    f.log.reset();
    flip(log, headers_of(log).at(records) + 6, 1 << 2);
    const StderrCapture said;
    f.open();
    CHECK(said.holds("log-cut"));
    CHECK(f.log->find("d", kept.id).value().has_value());
    CHECK_FALSE(f.log->find("d", lost.id).value().has_value());
  }

  TEST_CASE("another format, something else, and damaged totals are refused") {
    CommandFixture f;
    f.open();
    f.created();
    f.log.reset();
    const auto put = [&](std::string_view key, const std::string& value) {
      const std::unique_ptr<rocksdb::DB> db(raw(f));
      REQUIRE(db->Put({}, std::string(key), value).ok());
    };
    put(command_keys::kTotals, "x");
    CHECK(f.try_open().error().code == Errc::storage_corrupt);
    put(command_keys::kFormat, encode_format(2));
    const auto error = f.try_open().error();
    CHECK(error.code == Errc::storage_format);
    CHECK(error.detail == f.options.directory +
                              " was written in format 2 and this version reads format 1: start "
                              "the version that wrote it");
    {
      const std::unique_ptr<rocksdb::DB> db(raw(f));
      REQUIRE(db->Delete({}, std::string(command_keys::kFormat)).ok());
    }
    CHECK(f.try_open().error().code == Errc::storage_format);
  }

  TEST_CASE("a directory whose parent is missing, or that lost its CURRENT, is not opened") {
    CommandFixture f;
    f.open();
    f.created();
    f.open(); // Now there is a file with data.
    f.log.reset();
    std::filesystem::remove(f.options.directory + "/CURRENT");
    CHECK(f.try_open().error().code == Errc::storage_corrupt);
    f.options.directory = f.dir.sub("none/commands");
    CHECK(f.try_open().error().code == Errc::storage_io);
  }
}
