// Wills: when they go out, when they do not, and never twice.
#include <set>

#include "tests/storage/session_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

TEST_SUITE("session wills") {
  std::vector<std::string> told(SessionFixture & f) {
    f.settle_clock();
    std::vector<std::string> out;
    for (const auto& [number, message] : f.ears.take_wills()) {
      out.push_back(std::to_string(number) + ":" + message->topic);
    }
    return out;
  }
  using Words = std::vector<std::string>;

  TEST_CASE("a will goes out when the connection is gone [MQTT-3.1.2-8] [MQTT5-3.1.2-8]") {
    SessionFixture f;
    f.open();
    const auto number = f.connect(f.with_will(f.opening("c"), 0)).number;
    CHECK(told(f).empty());
    f.disconnect(number);
    CHECK(told(f) == Words{"1:will"});
    CHECK(told(f).empty());
    f.open();
    CHECK(told(f).empty());
    f.disconnect(f.connect("c").number); // The next connection has none.
    CHECK(told(f).empty());
  }

  TEST_CASE("a DISCONNECT that says so removes it [MQTT-3.14.4-3] [MQTT5-3.14.4-3]") {
    SessionFixture f;
    f.open();
    f.disconnect(f.connect(f.with_will(f.opening("c"), 0)).number, 3600, true);
    CHECK(told(f).empty());
    f.clock_ms += 4'000'000;
    CHECK(told(f).empty());
  }

  TEST_CASE("it waits for its delay; its message expires from then on [MQTT5-3.1.3-9]") {
    SessionFixture f;
    f.open();
    f.disconnect(f.connect(f.with_will(f.opening("c"), 10, "will", 5)).number);
    f.clock_ms += 9'999;
    CHECK(told(f).empty());
    f.clock_ms += 1;
    f.settle_clock();
    const auto wills = f.ears.take_wills();
    REQUIRE(wills.size() == 1);
    CHECK(wills[0].second->expires_ms == f.clock_ms + 5'000);
    CHECK(wills[0].second->payload == "gone");
    CHECK(f.connect("c").present); // The session lives on.
  }

  TEST_CASE("a connection before that cancels it [MQTT5-3.1.3-9]") {
    SessionFixture f;
    f.open();
    f.disconnect(f.connect(f.with_will(f.opening("c"), 10, "first")).number);
    f.clock_ms += 5'000;
    f.connect(f.with_will(f.opening("c"), 10, "second"));
    f.clock_ms += 20'000;
    CHECK(told(f).empty());
    f.disconnect(1);
    f.clock_ms += 10'000;
    CHECK(told(f) == Words{"1:second"});
  }

  TEST_CASE("one that was due goes out, though the client comes before it was told") {
    SessionFixture f;
    f.open();
    f.disconnect(f.connect(f.with_will(f.opening("c"), 10, "late")).number);
    f.clock_ms += 10'000; // Nobody pokes.
    f.connect("c");
    CHECK(told(f) == Words{"1:late"});
    // Take-over: the closing and the next opening in one step.
    f.connect(f.with_will(f.opening("d"), 0, "at once"));
    f.submit(std::vector<SessionEntry>{SessionClosing{2, 3600, false, 0},
                                       f.with_will(f.opening("d"), 7, "next")});
    f.ears.next();
    CHECK(f.ears.next().opened.present);
    CHECK(told(f) == Words{"2:at once"});
    // Without a word of the old connection.
    f.connect("d");
    CHECK(told(f).empty()); // Its delay had not passed.
  }

  TEST_CASE("the end of the session is the end of the delay: by expiry, by closing, by a clean "
            "start [MQTT5-3.1.3-9] [MQTT5-3.1.4-3]") {
    SessionFixture f;
    f.open();
    f.disconnect(f.connect(f.with_will(f.opening("c"), 100, "expired")).number, 10);
    f.clock_ms += 10'000;
    CHECK(told(f) == Words{"1:expired"});
    f.disconnect(f.connect(f.with_will(f.opening("c"), 100, "closed")).number, 0);
    CHECK(told(f) == Words{"2:closed"});
    f.disconnect(f.connect(f.with_will(f.opening("c"), 100, "clean")).number);
    f.connect(f.opening("c", 3600, true));
    CHECK(told(f) == Words{"3:clean"});
    f.disconnect(f.connect(f.with_will(f.opening("d"), 100, "nothing kept")).number);
    f.connect(f.opening("d", 0, true));
    CHECK(told(f) == Words{"5:nothing kept"});
    f.clock_ms += 1'000'000;
    CHECK(told(f).empty());
  }

  TEST_CASE("when the node starts, the delay of those who were connected begins") {
    SessionFixture f;
    f.open();
    f.connect(f.with_will(f.opening("a"), 0, "a"));
    f.connect(f.with_will(f.opening("b"), 10, "b"));
    f.connect(f.with_will(f.opening("c", 0), 10, "c")); // Its session ends with the connection.
    f.disconnect(f.connect(f.with_will(f.opening("d"), 10, "d")).number);
    f.clock_ms += 5'000;
    f.open();
    CHECK(told(f) == Words{"1:a", "3:c"});
    f.clock_ms += 5'000;
    CHECK(told(f) == Words{"4:d"});
    f.open();
    f.clock_ms += 4'999;
    CHECK(told(f).empty());
    f.clock_ms += 1;
    CHECK(told(f) == Words{"2:b"});
  }

  TEST_CASE("no will is told before somebody is there to publish it") {
    SessionFixture f;
    f.open();
    f.disconnect(f.connect(f.with_will(f.opening("c"), 10)).number);
    f.store.reset();
    f.clock_ms += 10'000;
    auto opened = SessionStore::open(f.options, f.ears);
    REQUIRE(opened);
    f.store = std::move(*opened);
    CHECK(told(f).empty());
    f.store->begin();
    CHECK(told(f) == Words{"1:will"});
  }

  TEST_CASE("what is to be kept of a will is there once it was told, also after a restart") {
    SessionFixture f;
    f.open();
    f.ears.will_for = f.connect("watcher").number;
    f.disconnect(f.connect(f.with_will(f.opening("c"), 10)).number);
    f.clock_ms += 10'000;
    CHECK(told(f) == Words{"2:will"});
    CHECK(f.queue_of(1) == Words{"1:will"});
    f.open();
    CHECK(told(f).empty());
    CHECK(f.queue_of(1) == Words{"1:will"});
  }

  TEST_CASE("many at once are all told, each once") {
    SessionFixture f;
    f.open();
    const int count = 3000;
    for (int i = 0; i < count; ++i) {
      auto opening = f.with_will(f.opening("c" + std::to_string(i)), 10, std::to_string(i));
      f.submit(std::vector<SessionEntry>{opening});
    }
    for (int i = 0; i < count; ++i) {
      f.ears.next();
    }
    f.open(); // They died with the node.
    f.clock_ms += 10'000;
    std::set<std::string> topics;
    std::size_t heard = 0;
    while (heard < static_cast<std::size_t>(count)) {
      f.settle_clock();
      for (const auto& will : f.ears.take_wills()) {
        ++heard;
        topics.insert(will.second->topic);
      }
    }
    CHECK(topics.size() == static_cast<std::size_t>(count));
    f.open();
    CHECK(told(f).empty());
  }
}
