#include "actors/session_hub.hpp"
#include "tests/actors/clients_fixture.hpp"

namespace spate::actors {
namespace {

std::size_t takers_of(MessageHub& messages, std::string_view topic) {
  Matches matches;
  matches.find(*messages.index().snapshot(), topic, nullptr);
  return matches.takers().size() + matches.groups().size();
}

/// A door whose answers are noted, to a store that answers when it is told to.
struct AtTheDoor final : private StoreAnswerTaker, private storage::SessionListener {
  AtTheDoor() {
    hub.open(store);
    hub.begin();
  }
  void publish(std::uint64_t argument, StoreTask task = StoreTask::publishing) {
    auto message = std::make_shared<model::ApplicationMessage>();
    message->topic = "t";
    storage::SessionPublishing publishing;
    publishing.message = std::move(message);
    door.submit(1, 2, task, argument, std::move(publishing));
  }

  net::Loop loop;
  MessageHub messages;
  SessionHub hub{messages};
  SessionDoor door{hub, loop, 0, *this};
  FakeSessionStore store{*this};
  std::vector<std::string> answers;

private:
  void on_store_answer(std::uint32_t slot, std::uint32_t generation, StoreTask,
                       std::uint64_t argument, storage::SessionReceipt& receipt) override {
    CHECK(slot == 1);
    CHECK(generation == 2);
    answers.push_back(std::to_string(argument) +
                      (receipt.status == storage::SessionStatus::busy ? " busy" : ""));
  }
  void on_queued(std::uint32_t, std::uint32_t, storage::QueuedMessage&) override {}
  void on_will(const model::ApplicationMessage& will, const Matches& connected) override {
    for (const Taker& each : connected.takers()) {
      answers.push_back(will.topic + " to " + std::to_string(each.subscriber->session()));
    }
  }
  void on_restored(Restored) override {}
  void on_receipts(std::vector<storage::SessionReceipt> receipts) override { door.take(receipts); }
  void on_queued(std::vector<storage::SessionDelivery>) override {}
  std::vector<storage::SessionPublishing> on_wills(const Wills& wills) override {
    return std::vector<storage::SessionPublishing>(wills.size());
  }
  void on_ended(std::vector<std::pair<storage::SessionNumber, std::vector<std::string>>>) override {
  }
};

using Words = std::vector<std::string>;

TEST_SUITE("actors.session_hub") {
  TEST_CASE("what an iteration has for the store is one step, answered in its order") {
    AtTheDoor f;
    f.publish(1);
    f.publish(2, StoreTask::none);
    f.publish(3);
    CHECK(f.store.steps == 0);
    f.door.hand_over();
    f.door.hand_over();
    CHECK(f.store.steps == 1);
    f.publish(4);
    f.store.answer(); // Of the first step.
    CHECK(f.answers == Words{"1", "3"});
    f.door.hand_over();
    f.store.answer();
    CHECK(f.answers == Words{"1", "3", "4"});
  }

  TEST_CASE("openings and closings go at once, behind what came before them") {
    AtTheDoor f;
    f.publish(1);
    f.door.submit(1, 2, StoreTask::opening, 2, storage::SessionOpening{});
    CHECK(f.store.steps == 1);
    CHECK(f.store.waiting.size() == 2);
    f.publish(3);
    f.door.submit(1, 2, StoreTask::none, 0, storage::SessionClosing{1});
    CHECK(f.store.steps == 2);
    REQUIRE(f.store.waiting.size() == 4);
    CHECK(std::holds_alternative<storage::SessionClosing>(f.store.waiting.back().second));
  }

  TEST_CASE("a long iteration hands over early, by count and by bytes") {
    AtTheDoor f;
    for (std::size_t i = 0; i < SessionDoor::kGatheredEntriesMax; ++i) {
      f.publish(i);
    }
    CHECK(f.store.steps == 1);
    auto large = std::make_shared<model::ApplicationMessage>();
    large->payload.assign(SessionDoor::kGatheredBytesMax, 'x');
    f.door.submit(1, 2, StoreTask::none, 0, storage::SessionPublishing{std::move(large), {}, 0, 0});
    CHECK(f.store.steps == 2);
  }

  TEST_CASE("what the store does not take is answered `busy`, and not within submit()") {
    AtTheDoor f;
    f.store.full = true;
    f.publish(1);
    f.door.submit(1, 2, StoreTask::releasing, 2, storage::SessionReleasing{7, 1});
    f.door.submit(1, 2, StoreTask::opening, 3, storage::SessionOpening{}); // Goes at once.
    CHECK(f.answers.empty());
    CHECK(f.store.waiting.size() == 1); // What frees something is taken all the same.
    f.door.hand_over();
    CHECK(f.answers == Words{"1 busy", "3 busy"});
    f.store.full = false;
    f.publish(4);
    f.store.sessions[7] = {};
    f.door.hand_over();
    f.store.answer();
    CHECK(f.answers == Words{"1 busy", "3 busy", "2", "4"});
  }

  TEST_CASE("of a due will the store writes what kept sessions take, the others get it at once") {
    AtTheDoor f;
    const auto subscribe = [&](std::uint64_t session, std::uint8_t qos, std::string_view share) {
      routing::Change change;
      change.filter = "wills";
      change.share = share;
      change.subscriber = new routing::Subscriber(session);
      change.options.qos = qos;
      f.messages.index().apply({change});
    };
    subscribe(1, 1, {});
    subscribe(2, 0, {}); // QoS 0: it has no queue.
    subscribe(3, 2, "g");
    const std::uint64_t brief = f.messages.next_session();
    subscribe(brief, 1, {});
    auto will = std::make_shared<model::ApplicationMessage>();
    will->topic = "wills";
    will->qos = 1;
    const auto kept =
        f.hub.on_wills({{9, will}, {10, std::make_shared<model::ApplicationMessage>()}});
    REQUIRE(kept.size() == 2);
    CHECK(kept[0].message == will);
    REQUIRE(kept[0].targets.size() == 2);
    CHECK(kept[0].targets[0].session == 1);
    CHECK(kept[0].targets[1].session == 3);
    CHECK(kept[0].targets[1].qos == 1);
    CHECK(kept[1].message == nullptr); // Nobody takes it.
    CHECK(f.answers.empty());          // On its loop, not by the store's thread.
    f.loop.stop();
    f.loop.run();
    CHECK(f.answers == Words{"wills to 2", "wills to " + std::to_string(brief)});
  }

  TEST_CASE("kept subscriptions are there before the first connection, shared ones too") {
    MessageHub messages;
    SessionHub hub(messages);
    storage::SessionListener::Restored restored;
    for (storage::SessionNumber session = 1; session <= 25'000; ++session) {
      restored.push_back(
          {session, {"devices/" + std::to_string(session) + "/#", 0, 1, false, false}});
    }
    hub.on_restored(std::move(restored));
    hub.on_restored({{7, {"$share/g/jobs", 0, 1, false, false}}});
    CHECK(messages.index().size() == 25'001);
    CHECK(takers_of(messages, "devices/1/x") == 1);
    CHECK(takers_of(messages, "devices/25000") == 1);
    CHECK(takers_of(messages, "jobs") == 1);
  }

  TEST_CASE("a session that ends while the node starts leaves nothing in the index") {
    MessageHub messages;
    SessionHub hub(messages);
    hub.on_restored({{1, {"a", 0, 1, false, false}}});
    hub.on_ended({{1, {"a"}}}); // Before begin().
    CHECK(takers_of(messages, "a") == 0);
    CHECK(messages.index().size() == 0);
  }
}

} // namespace
} // namespace spate::actors
