// Messages that go from loop to loop.
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "actors/message_router.hpp"

namespace spate::actors {
namespace {

/// A loop with a thread, and what its sessions were given.
class Side final : private CopyTaker, private net::LoopHooks {
public:
  Side(MessageHub& hub, std::uint32_t number) : router(hub, loop, number, *this) {
    loop.set_hooks(*this);
  }
  void start() {
    thread_ = std::thread([this] { loop.run(); });
  }
  void stop() {
    loop.stop();
    thread_.join();
  }
  /// On the loop, and waits for it.
  void run(std::function<void()> function) {
    std::promise<void> done;
    loop.post([&] {
      function();
      done.set_value();
    });
    done.get_future().wait();
  }

  net::Loop loop;
  MessageRouter router;
  std::vector<std::string> heard; ///< On the loop.

private:
  void on_copy(Passing& passing, const Copy& copy) override {
    std::string ids;
    for (const std::uint32_t id : copy.subscription_ids) {
      ids += " " + std::to_string(id);
    }
    heard.push_back(std::to_string(copy.slot) + "." + std::to_string(copy.generation) + " " +
                    std::string(passing.topic()) + "=" + std::string(passing.payload()) + "|" +
                    std::string(passing.properties()) + " q" + std::to_string(copy.qos) +
                    (copy.retain ? " r" : "") + ids);
  }
  void after_poll() override { router.hand_over(); }
  bool before_poll() override {
    router.hand_over();
    return false;
  }

  std::thread thread_;
};

routing::Ref<routing::Subscriber> subscribe(MessageHub& hub, const char* filter, Place place,
                                            std::uint32_t id = 0) {
  routing::Ref<routing::Subscriber> who = new routing::Subscriber(hub.next_session());
  who->move_to(place.packed());
  std::vector<routing::Change> changes(1);
  changes[0].filter = filter;
  changes[0].subscriber = who;
  changes[0].options = {id, 1, false, true};
  hub.index().apply(changes);
  return who;
}

TEST_SUITE("actors.message_router") {
  TEST_CASE("a place is named by loop, slot and generation") {
    for (const Place place : {Place{0, 0, 0}, Place{253, 0xff'ffff, 0xffff'ffff}, Place{1, 2, 3}}) {
      const Place back = Place::of(place.packed());
      CHECK(place.packed() != 0);
      CHECK(back.loop == place.loop);
      CHECK(back.slot == place.slot);
      CHECK(back.generation == place.generation);
    }
  }

  TEST_CASE("messages reach the sessions of other loops whole and in order [MQTT-4.6.0-5]") {
    MessageHub hub;
    Side here(hub, 0);
    Side there(hub, 1);
    const auto near = subscribe(hub, "a/#", {0, 7, 1});
    const auto far = subscribe(hub, "a/#", {1, 8, 2}, 5);
    const auto second = subscribe(hub, "a/1", {1, 9, 3});
    here.start();
    there.start();
    here.run([&] {
      for (int i = 0; i < 3; ++i) {
        const std::string topic = "a/" + std::to_string(i);
        Matches matches;
        here.router.match(topic, nullptr, matches);
        Passing passing(topic, std::string_view("payload\0x", 9).substr(0, 7 + i % 2 * 2), "props",
                        2, i == 2, 0);
        std::vector<storage::SessionTarget> kept;
        here.router.pass(passing, matches, kept);
        CHECK(kept.empty());
      }
    });
    here.run([] {});
    std::vector<std::string> heard;
    while (heard.size() < 4) {
      there.run([&] { heard = there.heard; });
    }
    const std::string odd("payload\0x", 9);
    CHECK(heard ==
          std::vector<std::string>{"8.2 a/0=payload|props q1 5", "8.2 a/1=" + odd + "|props q1 5",
                                   "9.3 a/1=" + odd + "|props q1", "8.2 a/2=payload|props q1 r 5"});
    CHECK(here.heard.size() == 3);
    CHECK_FALSE(here.router.over_limit());
    CHECK(here.router.counters().passed.get() == 3);
    CHECK(here.router.counters().copies.get() == 7);
    here.stop();
    there.stop();
  }

  TEST_CASE("a loop that does not take its parcels stops the reading of who sends them") {
    MessageHub hub;
    Side here(hub, 0);
    Side there(hub, 1);
    const auto far = subscribe(hub, "x", {1, 1, 1});
    here.start();
    const std::string payload(1u << 20, 'x');
    here.run([&] {
      Matches matches;
      here.router.match("x", nullptr, matches);
      for (std::size_t i = 0; i <= MessageRouter::kUntakenBytesMax / payload.size(); ++i) {
        Passing passing("x", payload, {}, 0, false, 0);
        std::vector<storage::SessionTarget> kept;
        here.router.pass(passing, matches, kept);
      }
      here.router.hand_over();
      CHECK(here.router.over_limit());
    });
    there.start();
    there.run([] {});
    CHECK_FALSE(here.router.over_limit());
    here.stop();
    there.stop();
  }

  TEST_CASE("kept sessions get QoS 1 and 2 through the store, QoS 0 at once") {
    MessageHub hub;
    Side here(hub, 0);
    routing::Change change;
    change.filter = "x";
    change.subscriber = new routing::Subscriber(42);
    change.subscriber->move_to(Place{0, 3, 1}.packed());
    change.options = {9, 2, false, true};
    hub.index().apply({change});
    Matches matches;
    here.router.match("x", nullptr, matches);
    std::vector<storage::SessionTarget> kept;
    Passing durable("x", "1", {}, 1, true, 0);
    here.router.pass(durable, matches, kept);
    REQUIRE(kept.size() == 1);
    CHECK(kept[0].session == 42);
    CHECK(kept[0].qos == 1);
    CHECK(kept[0].retain);
    CHECK(kept[0].subscription_ids == std::vector<std::uint32_t>{9});
    CHECK(here.heard.empty());
    kept.clear();
    Passing fleeting("x", "0", {}, 0, false, 0);
    here.router.pass(fleeting, matches, kept);
    CHECK(kept.empty());
    CHECK(here.heard.size() == 1);
  }
}

} // namespace
} // namespace spate::actors
