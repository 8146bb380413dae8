// Sessions that outlive their connections: opened, closed, resumed, ended.
#include "tests/storage/session_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

using Words = std::vector<std::string>;

TEST_SUITE("session store") {
  TEST_CASE("a session that is kept is present when its client returns, also after a restart "
            "[MQTT-3.2.2-2] [MQTT5-3.2.2-3]") {
    SessionFixture f;
    f.open();
    const auto first = f.connect("c");
    CHECK(first.number != 0);
    CHECK_FALSE(first.present);
    f.disconnect(first.number);
    const auto again = f.connect("c");
    CHECK(again.present);
    CHECK(again.number == first.number);
    f.open();
    CHECK(f.connect("c").present);
    CHECK_FALSE(f.connect("other").present);
    CHECK(f.store->stats().sessions == 2);
  }

  TEST_CASE("a clean start removes all that was kept [MQTT-3.1.2-6] [MQTT5-3.1.2-4]") {
    SessionFixture f;
    f.open();
    const auto old = f.connect("c");
    f.done(SessionSubscribing{old.number, {f.subscription("a/#"), f.subscription("b")}, {}});
    f.publish("a/1", {old.number});
    auto publishing = f.publishing(f.message("t", "x", 2), {});
    publishing.sender = old.number;
    publishing.packet_id = 5;
    f.done(publishing);
    f.disconnect(old.number);
    const auto fresh = f.connect(f.opening("c", 3600, true));
    CHECK_FALSE(fresh.present);
    CHECK(fresh.number > old.number);
    CHECK(fresh.subscriptions.empty());
    CHECK(fresh.received_ids.empty());
    CHECK(fresh.page.empty());
    const auto ended = f.ears.take_ended();
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].first == old.number);
    CHECK(ended[0].second == Words{"a/#", "b"});
    const auto stats = f.store->stats();
    CHECK(stats.sessions == 1);
    CHECK(stats.subscriptions == 0);
    CHECK(stats.queued == 0);
    CHECK(stats.queued_bytes == 0);
    f.open();
    CHECK(f.visited.empty());
    CHECK(f.connect("c").number == fresh.number);
  }

  TEST_CASE("with Clean Start and no expiry nothing is kept [MQTT5-3.1.2-23]") {
    SessionFixture f;
    f.open();
    f.disconnect(f.connect("c").number);
    const auto opened = f.connect(f.opening("c", 0, true));
    CHECK(opened.number == 0);
    CHECK_FALSE(opened.present);
    CHECK(f.store->stats().sessions == 0);
    CHECK_FALSE(f.connect("c").present);
  }

  TEST_CASE("subscriptions are kept with their options; the same filter takes the other's place "
            "[MQTT-3.8.4-3] [MQTT5-3.8.4-3]") {
    SessionFixture f;
    f.open();
    const auto a = f.connect("a").number;
    const auto b = f.connect("b").number;
    f.done(SessionSubscribing{b, {f.subscription("$share/g/x", 9)}, {}});
    f.done(SessionSubscribing{a, {f.subscription("x"), f.subscription("y")}, {}});
    SessionSubscription changed{"x", 77, 2, true, false};
    f.done(SessionSubscribing{a, {changed}, {"y", "never"}});
    CHECK(f.store->stats().subscriptions == 2);
    f.open();
    const SessionListener::Restored wanted{{a, changed}, {b, f.subscription("$share/g/x", 9)}};
    CHECK(f.visited == wanted);
    const auto opened = f.connect("a");
    REQUIRE(opened.subscriptions.size() == 1);
    CHECK(opened.subscriptions[0] == changed);
    CHECK(f.store->stats().subscriptions == 2);
  }

  TEST_CASE("a session ends when its expiry has passed since it was closed [MQTT5-3.1.2-23]") {
    SessionFixture f;
    f.open();
    const auto opened = f.connect(f.opening("c", 10));
    f.done(SessionSubscribing{opened.number, {f.subscription("a")}, {}});
    f.clock_ms += 60'000; // A connection holds it.
    f.settle_clock();
    CHECK(f.ears.take_ended().empty());
    f.disconnect(opened.number, 20);
    f.clock_ms += 19'999;
    f.settle_clock();
    CHECK(f.ears.take_ended().empty());
    f.clock_ms += 1;
    f.settle_clock();
    const auto ended = f.ears.take_ended();
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].first == opened.number);
    CHECK(ended[0].second == Words{"a"});
    CHECK(f.store->stats().sessions == 0);
    CHECK_FALSE(f.connect("c").present);
  }

  TEST_CASE("one that returns in time lives on, and its old end is forgotten") {
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    f.disconnect(number, 10);
    f.clock_ms += 9'000;
    CHECK(f.connect("c").present);
    f.clock_ms += 9'000;
    f.settle_clock();
    CHECK(f.ears.take_ended().empty());
    f.disconnect(number, kNeverExpires);
    f.clock_ms += 1'000'000'000'000;
    f.settle_clock();
    CHECK(f.connect("c").present);
  }

  TEST_CASE("one that comes when its end is due finds nothing, though the end was not told yet") {
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    f.disconnect(number, 10);
    f.clock_ms += 10'000; // Nobody pokes.
    const auto fresh = f.connect("c");
    CHECK_FALSE(fresh.present);
    CHECK(fresh.number != number);
    CHECK(f.store->stats().sessions == 1);
  }

  TEST_CASE("a closing with expiry 0 ends the session [MQTT5-3.14.2-2]") {
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    f.done(SessionSubscribing{number, {f.subscription("a")}, {}});
    f.disconnect(number, 0);
    CHECK(f.ears.take_ended().size() == 1);
    CHECK(f.store->stats().sessions == 0);
    CHECK(f.store->stats().subscriptions == 0);
    CHECK_FALSE(f.connect("c").present);
  }

  TEST_CASE("sessions that were connected when the node died count as disconnected at its start") {
    SessionFixture f;
    f.open();
    const auto lost = f.connect(f.opening("lost", 10)).number;
    f.clock_ms += 100'000; // Down for long: it does not count.
    f.open();
    f.clock_ms += 9'999;
    f.settle_clock();
    CHECK(f.ears.take_ended().empty());
    f.clock_ms += 1;
    f.settle_clock();
    REQUIRE(f.store->stats().sessions == 0);
    CHECK(f.ears.take_ended().at(0).first == lost);
  }

  TEST_CASE("the end of a session that was closed before the node stopped does not move") {
    SessionFixture f;
    f.open();
    f.disconnect(f.connect("c").number, 10);
    f.clock_ms += 10'000;
    f.open();
    f.settle_clock();
    CHECK(f.ears.take_ended().size() == 1);
  }

  TEST_CASE("numbers are never used again, also not those of sessions that ended") {
    SessionFixture f;
    f.open();
    SessionNumber last = 0;
    for (int i = 0; i < 4; ++i) {
      const auto number = f.connect("c").number;
      CHECK(number > last);
      last = number;
      f.disconnect(number, 0);
      if (i % 2 == 0) {
        f.open();
      }
    }
  }

  TEST_CASE("no more sessions than may be; those that are kept come back") {
    SessionFixture f;
    f.options.sessions_max = 2;
    f.open();
    const auto a = f.connect("a").number;
    f.disconnect(f.connect("b").number);
    const auto refused = f.ask(f.opening("c"));
    CHECK(refused.status == SessionStatus::full);
    CHECK(refused.detail == "as many sessions are kept as may be");
    CHECK(refused.opened.number == 0);
    CHECK(f.connect("b").present);
    CHECK(f.connect(f.opening("b", 3600, true)).number != 0);
    f.disconnect(a, 0);
    CHECK(f.connect("c").number != 0);
    CHECK(f.store->stats().sessions == 2);
  }

  TEST_CASE("what is asked of a session that has ended is done and does nothing") {
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    f.disconnect(number, 0);
    f.done(SessionSubscribing{number, {f.subscription("a")}, {}});
    f.publish("a", {number});
    f.done(SessionReleasing{number, 1});
    f.done(SessionSettling{number, 1, true});
    f.disconnect(number);
    CHECK(f.queue_of(number).empty());
    CHECK(f.ears.take_queued().empty());
    CHECK(f.store->stats().subscriptions == 0);
    CHECK(f.store->stats().queued == 0);
    f.open();
    CHECK(f.visited.empty());
  }

  TEST_CASE("entries of one submit see each other in their order, each with its ticket") {
    SessionFixture f;
    f.open();
    const auto a = f.connect("a").number;
    const auto ticket = f.submit(std::vector<SessionEntry>{
        SessionSubscribing{a, {f.subscription("x")}, {}}, SessionSettling{a, 7, false},
        SessionClosing{a, 3600, false, 0}, f.opening("a"), f.opening("b")});
    for (const std::uint64_t answered : {0, 2, 3, 4}) {
      const auto receipt = f.ears.next();
      CHECK(receipt.ticket == ticket + answered);
      CHECK(receipt.status == SessionStatus::done);
      if (answered == 3) {
        CHECK(receipt.opened.subscriptions.size() == 1);
      }
    }
    CHECK(f.ears.receipts() == 0);
  }

  TEST_CASE("too much that waits is not taken; after stop() all is refused") {
    SessionFixture f;
    f.options.waiting_bytes_max = 1000;
    f.open();
    std::vector<SessionEntry> large;
    for (int i = 0; i < 2; ++i) {
      large.push_back(f.publishing(f.message("t", std::string(5000, 'x')), {}));
    }
    CHECK(f.store->submit(1, std::move(large))); // Nothing else waits.
    CHECK(f.ears.next().status == SessionStatus::done);
    CHECK(f.ears.next().status == SessionStatus::done);
    f.store->stop();
    CHECK(f.store->submit(9, {f.opening("c"), SessionSettling{}}));
    const auto late = f.ears.next();
    CHECK(late.ticket == 9);
    CHECK(late.status == SessionStatus::unavailable);
    CHECK(late.detail == "the node is stopping");
    CHECK(f.ears.receipts() == 0);
    CHECK(f.store->fault() == "stopped");
    CHECK_FALSE(f.store->with_database([](auto&&...) { return Result<void>(); }));
  }

  TEST_CASE("a directory without a parent is refused") {
    SessionFixture f;
    f.options.directory = f.dir.sub("none/sessions");
    CHECK(f.try_open().error().code == Errc::storage_io);
  }
}
