// The store of sessions when what lies on disk is damaged, or not its own.
#include <chrono>
#include <cstdlib>

#include <rocksdb/db.h>

#include "storage/session_codec.hpp"
#include "storage/session_keys.hpp"
#include "storage/small_database.hpp"
#include "tests/storage/damage.hpp"
#include "tests/storage/session_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

namespace keys = session_keys;
using Words = std::vector<std::string>;

TEST_SUITE("session store damage") {
  void put(SessionFixture & f, const std::string& key, const std::string& value) {
    f.store.reset();
    rocksdb::DB* opened = nullptr;
    REQUIRE(rocksdb::DB::Open({}, f.options.directory, &opened).ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    REQUIRE(db->Put({}, key, value).ok());
  }

  TEST_CASE("a damaged message is reported and left out, those behind it are given") {
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    for (const char* topic : {"a", "b", "c"}) {
      f.publish(topic, {number});
    }
    put(f, keys::queued(number, 2), "?");
    const StderrCapture said;
    f.open();
    CHECK(SessionFixture::words(f.connect("c").page) == Words{"1:a", "3:c"});
    CHECK(said.holds("a message in the queue of session 1 is damaged"));
    f.submit(SessionSettling{number, 2, false});
    CHECK(f.queue_of(number) == Words{"1:a", "3:c"});
    CHECK(f.store->stats().queued == 2);
  }

  TEST_CASE("a damaged subscription is left out, also when the store opens") {
    SessionFixture f;
    f.open();
    const auto a = f.connect("a").number;
    const auto b = f.connect("b").number;
    f.done(SessionSubscribing{a, {f.subscription("bad"), f.subscription("good")}, {}});
    f.done(SessionSubscribing{b, {f.subscription("other")}, {}});
    put(f, keys::part(a, keys::kSubscription, "bad"), "");
    const StderrCapture said;
    f.open();
    CHECK(said.holds("a subscription of session 1 is damaged and is left out"));
    REQUIRE(f.visited.size() == 2);
    CHECK(f.visited[0].second.filter == "good");
    CHECK(f.visited[1].second.filter == "other");
    CHECK(f.connect("a").subscriptions.size() == 1);
  }

  TEST_CASE("a session whose state is damaged keeps its queue; numbers in it do not come again") {
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    f.done(SessionSubscribing{number, {f.subscription("a")}, {}});
    f.publish("a", {number});
    f.publish("b", {number});
    put(f, keys::part(number, keys::kState), "\1");
    f.open();
    CHECK(f.visited.size() == 1);
    const auto opened = f.connect("c");
    CHECK(opened.present);
    CHECK(SessionFixture::words(opened.page) == Words{"1:a", "2:b"});
    CHECK(opened.sent_through >= 2);
    f.publish("c", {number});
    const auto queue = f.queue_of(number);
    REQUIRE(queue.size() == 3);
    CHECK(queue[2] == std::to_string((std::uint64_t{1} << 32) + 3) + ":c");
    f.disconnect(number, 0);
    CHECK(f.store->stats().queued == 0);
  }

  TEST_CASE("a client whose number is damaged begins anew") {
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    put(f, keys::client("c"), "?");
    f.open();
    const auto opened = f.connect("c");
    CHECK_FALSE(opened.present);
    CHECK(opened.number > number);
  }

  TEST_CASE("damaged wills, timers, bodies and retained messages hold nobody up") {
    SessionFixture f;
    f.open();
    const auto a = f.connect(f.with_will(f.opening("a", 10), 0)).number;
    const auto b = f.connect(f.with_will(f.opening("b", 10), 0, "good")).number;
    f.done(f.publishing(f.message("shared", std::string(500, 'x')), {a, b}));
    f.publish("small", {a, b});
    f.done(f.publishing(f.retained("r/1"), {}));
    f.done(f.publishing(f.retained("r/2"), {}));
    put(f, keys::part(a, keys::kWill), "?");
    put(f, keys::retained("r/1"), "?");
    put(f, keys::numbered(keys::kBody, 1), "?");
    put(f, keys::numbered(keys::kHolders, 1), "?");
    put(f, std::string("e\0", 2), "");
    put(f, std::string("v\0\0\0\0\0\0\0\1x", 10), "");
    put(f, std::string("sx"), "");
    put(f, keys::numbered(keys::kOutgoing, 999), "?");
    f.open();
    f.settle_clock();
    const auto wills = f.ears.take_wills();
    REQUIRE(wills.size() == 1);
    CHECK(wills[0].second->topic == "good");
    CHECK(SessionFixture::words(f.connect("a").page) == Words{"2:small"});
    CHECK(f.retained_of("#") == Words{"r/2"});
    f.done(f.publishing(f.retained("r/1", "new"), {}));
    CHECK(f.retained_of("#") == Words{"r/1", "r/2"});
    f.disconnect(a, 0);
    f.clock_ms += 10'000;
    f.settle_clock();
    CHECK(f.store->stats().sessions == 0);
    CHECK_FALSE(f.store->fault());
  }

  TEST_CASE("a timer that does not agree with what it stands for does nothing") {
    SessionFixture f;
    f.open();
    const auto number = f.connect(f.with_will(f.opening("c"), 3000)).number;
    f.disconnect(number);
    f.done(f.publishing(f.retained("r"), {}));
    put(f, keys::timer(keys::kExpiry, 5, number), "");
    put(f, keys::timer(keys::kWillDue, 5, number), "");
    put(f, keys::retained_expiry(5, "r"), "");
    f.open();
    f.settle_clock();
    CHECK(f.ears.take_ended().empty());
    CHECK(f.ears.take_wills().empty());
    CHECK(f.retained_of("#") == Words{"r"});
    CHECK(f.connect("c").present);
  }

  TEST_CASE("another format, something else, and damaged totals are refused") {
    SessionFixture f;
    f.open();
    f.connect("c");
    put(f, std::string(kSmallTotalsKey), "x");
    CHECK(f.try_open().error().code == Errc::storage_corrupt);
    CHECK(f.try_open().error().detail.find(f.options.directory) == 0);
    put(f, std::string(kSmallFormatKey), encode_format(2));
    const auto refused = f.try_open();
    CHECK(refused.error().code == Errc::storage_format);
    CHECK(refused.error().detail == f.options.directory +
                                        " was written in format 2 and this version reads format "
                                        "1: start the version that wrote it");
    f.options.directory = f.dir.sub("other");
    std::filesystem::create_directory(f.options.directory);
    rocksdb::DB* opened = nullptr;
    rocksdb::Options create;
    create.create_if_missing = true;
    REQUIRE(rocksdb::DB::Open(create, f.options.directory, &opened).ok());
    REQUIRE(opened->Put({}, "k", "v").ok());
    delete opened;
    CHECK(f.try_open().error().detail ==
          f.options.directory + " holds something else than sessions");
  }

  TEST_CASE("bytes changed anywhere in a file never end the process, nor give what was not there") {
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    f.done(SessionSubscribing{number, {f.subscription("a/#")}, {}});
    for (int i = 0; i < 20; ++i) {
      f.publish("a/" + std::to_string(i), {number});
    }
    f.open(); // Its log becomes a file.
    f.store.reset();
    std::string file;
    for (const auto& entry : std::filesystem::directory_iterator(f.options.directory)) {
      file = entry.path().extension() == ".sst" ? entry.path().string() : file;
    }
    REQUIRE_FALSE(file.empty());
    const TempDir copy;
    const auto size = std::filesystem::file_size(file);
    for (std::uintmax_t at = 0; at < size; at += 37) {
      std::filesystem::remove_all(copy.sub("sessions"));
      std::filesystem::copy(f.options.directory, copy.sub("sessions"));
      SessionFixture g;
      g.options.directory = copy.sub("sessions");
      flip(g.options.directory + "/" + std::filesystem::path(file).filename().string(), at, 4);
      const StderrCapture quiet;
      if (!g.try_open()) {
        continue;
      }
      const auto receipt = g.ask(g.opening("c"));
      for (const auto& each : receipt.opened.page) {
        CHECK(each.message->topic.substr(0, 2) == "a/");
      }
      g.store.reset();
    }
  }
}
