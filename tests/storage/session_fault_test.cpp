// The store of sessions when writes fail, the process dies or the power goes.
#include <map>
#include <random>
#include <set>

#include "tests/storage/fault_times.hpp"
#include "tests/storage/power_fs.hpp"
#include "tests/storage/session_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

using Words = std::vector<std::string>;

namespace {

struct FaultySessions : SessionFixture {
  std::shared_ptr<PowerFs> fs = std::make_shared<PowerFs>();
  PowerEnv env{fs};

  FaultySessions() {
    options.env = &env;
    options.durability = Durability::fsync;
  }
  ~FaultySessions() {
    fs->clear();
    fs->revive();
    store.reset();
  }
  void cut(bool torn = false) {
    store.reset();
    std::mt19937 random(1);
    fs->cut(random, torn);
    open();
  }
};

} // namespace

TEST_SUITE("session store faults") {
  TEST_CASE("after a failed sync all that waits is refused until the store was reopened") {
    FaultySessions f;
    f.open();
    const auto number = f.connect("c").number;
    f.fs->fail(PowerFs::Fault::sync_eio);
    const auto refused = f.ask(f.opening("d"));
    CHECK(refused.status == SessionStatus::unavailable);
    CHECK(refused.detail == "fdatasync: Input/output error");
    CHECK(f.ask(SessionPageLoad{number, 0, 1, 1}).status == SessionStatus::unavailable);
    REQUIRE(f.store->fault());
    CHECK(f.store->fault()->find("Input/output error; reopening") != std::string::npos);
    CHECK_FALSE(f.store->with_database([](auto&&...) { return Result<void>(); }));
    f.fs->clear();
    f.connect_until_done(f.opening("d"));
    CHECK_FALSE(f.store->fault());
    CHECK(f.store->stats().reopens == 1);
    f.cut();
    CHECK(f.connect("c").present);
    CHECK(f.connect("d").present);
  }

  TEST_CASE("a full disk is answered as full, and taken back by itself") {
    FaultySessions f;
    f.open();
    const auto number = f.connect("c").number;
    f.publish("a", {number});
    f.fs->fail(PowerFs::Fault::write_enospc);
    CHECK(f.ask(f.publishing(f.message("b"), {number})).status == SessionStatus::disk_full);
    CHECK(f.ask(f.opening("d")).status == SessionStatus::disk_full);
    f.fs->clear();
    f.connect_until_done(f.opening("d"));
    CHECK(f.queue_of(number) == Words{"1:a"});
  }

  /// A will of session 2 that is due, and session 1 that has subscribed to it.
  void make_will_due(FaultySessions & f) {
    f.open();
    f.ears.will_for = f.connect("watcher").number;
    f.disconnect(f.connect(f.with_will(f.opening("c"), 10)).number);
    f.clock_ms += 10'000;
  }
  void let_it_out(FaultySessions & f) {
    for (int i = 0; i < 4; ++i) {
      f.store->poke();
      f.ask(SessionPageLoad{});
    }
  }

  TEST_CASE("a will whose write fails is told once and kept once") {
    for (const auto fault : {PowerFs::Fault::sync_eio, PowerFs::Fault::write_enospc}) {
      for (std::uint64_t n = 1; n <= 8; ++n) {
        CAPTURE(n);
        FaultySessions f;
        make_will_due(f);
        f.fs->fail_once(fault, n);
        let_it_out(f);
        f.fs->clear();
        f.connect_until_done(f.opening("d"));
        let_it_out(f);
        CHECK(f.ears.take_wills().size() == 1);
        CHECK(f.queue_of(1) == Words{"1:will"});
      }
    }
  }

  TEST_CASE("a will is kept once, at whichever write the power goes") {
    for (std::uint64_t n = 1; n <= 8; ++n) {
      CAPTURE(n);
      FaultySessions f;
      make_will_due(f);
      f.fs->die_after(n);
      let_it_out(f);
      f.cut();
      let_it_out(f);
      CHECK(!f.ears.take_wills().empty());
      CHECK(f.queue_of(1) == Words{"1:will"});
    }
  }

  TEST_CASE("opening on a full disk waits for space; a new store is not begun there") {
    FaultySessions f;
    f.fs->fail(PowerFs::Fault::write_enospc);
    CHECK(f.try_open().error().code == Errc::storage_full);
    f.fs->clear();
    f.open();
    const auto number = f.connect("c").number;
    f.done(SessionSubscribing{number, {f.subscription("x")}, {}});
    f.store.reset();
    f.fs->fail(PowerFs::Fault::write_enospc);
    f.open();
    CHECK(f.store->fault());
    CHECK(f.visited.empty());
    CHECK(f.store->may_keep("c")); // Nobody knows better yet.
    CHECK(f.store->may_keep("nobody"));
    CHECK(f.store->has_retained());
    CHECK(f.ask(f.opening("c")).status == SessionStatus::disk_full);
    f.fs->clear();
    CHECK(f.connect_until_done(f.opening("c")).present);
    const auto restored = f.ears.take_restored();
    REQUIRE(!restored.empty());
    CHECK(restored.back() == std::pair(number, f.subscription("x")));
    CHECK_FALSE(f.store->may_keep("nobody"));
    CHECK_FALSE(f.store->has_retained());
    CHECK_FALSE(f.store->fault());
  }

  TEST_CASE("a closing and an acknowledgement that were refused come true all the same") {
    FaultySessions f;
    f.open();
    const auto number = f.connect(f.with_will(f.opening("c", 10), 0)).number;
    f.publish("a", {number});
    f.publish("b", {number});
    f.fs->fail(PowerFs::Fault::sync_eio);
    CHECK(f.ask(f.opening("d")).status == SessionStatus::unavailable);
    f.submit(SessionSettling{number, 1, false});
    CHECK(f.ask(SessionClosing{number, 10, false, 1}).status == SessionStatus::unavailable);
    f.fs->clear();
    f.connect_until_done(f.opening("e"));
    f.settle_clock();
    CHECK(f.ears.take_wills().size() == 1);
    const auto opened = f.connect("c");
    CHECK(SessionFixture::words(opened.page) == Words{"2:b"});
    CHECK(opened.sent_through == 1);
  }

  TEST_CASE("an opening that was refused, though it came to the disk, leaves no connection") {
    FaultySessions f;
    f.open();
    f.disconnect(f.connect("c").number, 10);
    f.fs->fail_once(PowerFs::Fault::sync_eio, 2); // Written, then not synced.
    CHECK(f.ask(f.with_will(f.opening("c", 10), 0)).status == SessionStatus::unavailable);
    f.connect_until_done(f.opening("d"));
    CHECK(f.store->stats().sessions == 2);
    f.clock_ms += 10'000;
    f.settle_clock();
    CHECK(f.store->stats().sessions == 1); // Its expiry has passed since it was refused.
    CHECK(f.ears.take_wills().empty());
  }

  TEST_CASE("a will that was told is not told again after a power cut, one that was not is") {
    FaultySessions f;
    f.open();
    f.disconnect(f.connect(f.with_will(f.opening("c"), 0, "told")).number);
    f.settle_clock();
    CHECK(f.ears.take_wills().size() == 1);
    f.cut();
    f.settle_clock();
    CHECK(f.ears.take_wills().empty());
    f.disconnect(f.connect(f.with_will(f.opening("d"), 10, "later")).number);
    f.cut();
    f.clock_ms += 10'000;
    f.settle_clock();
    const auto wills = f.ears.take_wills();
    REQUIRE(wills.size() == 1);
    CHECK(wills[0].second->topic == "later");
  }

  TEST_CASE("a closing that was answered counts from when it was, also after a power cut") {
    FaultySessions f;
    f.open();
    f.disconnect(f.connect("c").number, 10);
    f.clock_ms += 10'000;
    f.cut();
    f.settle_clock();
    CHECK(f.store->stats().sessions == 0);
  }

  TEST_CASE("an end that could not be written comes when the store is open again") {
    FaultySessions f;
    f.open();
    f.disconnect(f.connect("c").number, 10);
    f.fs->fail_next_of_wal(PowerFs::Fault::write_eio);
    f.clock_ms += 10'000;
    f.store->poke();
    while (f.store->stats().reopens == 0) {
      std::this_thread::yield();
    }
    f.connect_until_done(f.opening("d"));
    f.settle_clock();
    CHECK(f.ears.take_ended().size() == 1);
    CHECK(f.store->stats().sessions == 1);
  }

  TEST_CASE("stop() does not wait for the disk, and answers all in order") {
    FaultySessions f;
    f.open();
    f.fs->fail(PowerFs::Fault::write_eio);
    std::vector<std::uint64_t> tickets;
    for (int i = 0; i < 300; ++i) {
      tickets.push_back(f.submit(f.opening("c" + std::to_string(i))));
    }
    for (const std::uint64_t ticket : tickets) {
      const auto receipt = f.ears.next();
      CHECK(receipt.ticket == ticket);
      CHECK(receipt.status == SessionStatus::unavailable);
    }
    f.submit(f.opening("c"));
    f.store->stop();
    CHECK(f.ears.next().status == SessionStatus::unavailable);
    CHECK(f.store->stats().waiting == 0);
  }

  TEST_CASE("whichever write or sync fails, nothing that was answered `done` is lost") {
    for (const auto fault :
         {PowerFs::Fault::sync_eio, PowerFs::Fault::write_eio, PowerFs::Fault::write_enospc}) {
      for (std::uint64_t n = 1; n <= 14; ++n) {
        CAPTURE(n);
        FaultySessions f;
        f.open();
        const auto number = f.connect("c").number;
        f.fs->fail_once(fault, n);
        std::set<std::string> queued;
        std::set<std::string> maybe;
        std::set<std::uint16_t> ids;
        for (std::uint16_t i = 1; i <= 14; ++i) {
          auto publishing = f.publishing(f.message("m" + std::to_string(i)), {number}, 2);
          publishing.sender = number;
          publishing.packet_id = i;
          if (f.ask(publishing).status == SessionStatus::done) {
            queued.insert(publishing.message->topic);
            ids.insert(i);
          } else {
            maybe.insert(publishing.message->topic);
          }
        }
        f.fs->clear();
        f.connect_until_done(f.opening("d"));
        CHECK(f.store->stats().reopens == 1);
        for (int restart = 0; restart < 2; ++restart) {
          const auto opened = f.connect("c");
          std::set<std::string> there;
          for (const auto& each : opened.page) {
            CHECK(there.insert(each.message->topic).second); // Once.
          }
          for (const auto& topic : queued) {
            CHECK(there.contains(topic));
          }
          for (const auto& topic : there) {
            CHECK((queued.contains(topic) || maybe.contains(topic)));
          }
          // A message is there if, and only if, its id is: else it came twice or never.
          CHECK(opened.received_ids.size() == there.size());
          for (const std::uint16_t id : ids) {
            CHECK(std::count(opened.received_ids.begin(), opened.received_ids.end(), id) == 1);
          }
          CHECK(f.store->stats().queued == there.size());
          f.cut();
        }
      }
    }
  }
}

namespace {

struct CutResult {
  std::size_t answered = 0;
  std::size_t lost = 0;
  std::size_t inconsistent = 0;
};

/// What was answered `done` before the power went.
struct Promised {
  SessionNumber number = 0;
  std::set<std::string> subscriptions;
  std::set<std::uint16_t> ids;
  std::set<std::uint16_t> released;
  std::set<std::string> queued;         ///< And nothing was asked of them since.
  std::map<std::string, bool> received; ///< PUBREC was answered.
  std::map<std::string, std::uint64_t> sequences;
  std::uint64_t last_sequence = 0;
};

/// Four times: work until the power goes or the process dies, open, compare with what was promised.
CutResult session_cuts(std::uint32_t seed, Durability durability, bool kills) {
  std::mt19937 random(seed);
  FaultySessions f;
  f.options.durability = durability;
  f.options.queue_messages_max = 1'000'000;
  CutResult result;
  std::vector<Promised> all(3);
  std::map<std::string, int> retained; ///< Topic to the last payload that was promised.
  int counter = 0;
  for (int round = 0; round < 4; ++round) {
    f.open();
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i].number = f.connect("c" + std::to_string(i)).number;
    }
    f.fs->die_after(1 + random() % 150);
    while (!f.fs->dead()) {
      std::vector<std::function<void()>> promises; ///< In the order of receipts.
      for (auto entries = 1 + random() % 6; entries != 0; --entries) {
        Promised& one = all[random() % all.size()];
        const int id = ++counter;
        const auto topic = "m" + std::to_string(id);
        switch (random() % 6) {
        case 0:
          f.submit(SessionSubscribing{one.number, {f.subscription(topic)}, {}});
          promises.push_back([&one, topic] { one.subscriptions.insert(topic); });
          break;
        case 1: {
          const auto packet = static_cast<std::uint16_t>(id);
          auto publishing = f.publishing(f.message(topic, std::string(random() % 2000, 'x'), 2),
                                         {all[0].number, all[1].number, all[2].number}, 2);
          const bool has_id = random() % 2 == 0; // Each is reason enough for a sync.
          publishing.sender = has_id ? one.number : 0;
          publishing.packet_id = packet;
          f.submit(publishing);
          promises.push_back([&one, &all, topic, packet, has_id] {
            if (has_id) {
              one.ids.insert(packet);
            }
            for (Promised& each : all) {
              each.queued.insert(topic);
            }
          });
          break;
        }
        case 2:
          if (!one.ids.empty()) {
            const auto packet = *one.ids.begin();
            one.ids.erase(packet);
            f.submit(SessionReleasing{one.number, packet});
            promises.push_back([&one, packet] { one.released.insert(packet); });
          }
          break;
        case 3:
          if (!one.queued.empty() && one.sequences.contains(*one.queued.begin())) {
            const auto first = *one.queued.begin();
            one.queued.erase(first);
            f.submit(SessionSettling{one.number, one.sequences[first], true});
            promises.push_back([&one, first] { one.received[first] = true; });
          }
          break;
        case 4: {
          auto message = *f.retained("r" + std::to_string(random() % 5), std::to_string(id));
          f.submit(f.publishing(std::make_shared<const model::ApplicationMessage>(message), {}));
          promises.push_back([&retained, message, id] { retained[message.topic] = id; });
          break;
        }
        default:
          if (!one.received.empty()) {
            const auto first = one.received.begin()->first;
            one.received.erase(first);
            f.submit(SessionSettling{one.number, one.sequences[first], false});
          }
        }
      }
      std::vector<SessionStatus> statuses;
      for (std::size_t i = 0; i < promises.size(); ++i) {
        statuses.push_back(f.ears.next().status);
      }
      for (const auto& each : f.ears.take_queued()) {
        for (Promised& one : all) {
          if (one.number == each.session) {
            one.sequences[each.queued.message->topic] = each.queued.sequence;
            one.last_sequence = std::max(one.last_sequence, each.queued.sequence);
          }
        }
      }
      // Asked after the answers and before the cut: what is answered later proves nothing.
      for (std::size_t i = 0; i < promises.size() && !f.fs->dead(); ++i) {
        if (statuses[i] == SessionStatus::done) {
          ++result.answered;
          promises[i]();
        }
      }
    }
    f.store.reset();
    f.ears.take_queued();
    if (kills && round % 2 == 0) {
      f.fs->revive();
    } else {
      f.fs->cut(random, seed % 2 == 0);
    }
    f.open();
    std::uint64_t queued = 0;
    std::uint64_t subscriptions = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      Promised& one = all[i];
      auto opening = f.opening("c" + std::to_string(i));
      opening.page_messages = opening.page_bytes = 1u << 30;
      const auto opened = f.connect(opening);
      result.inconsistent += opened.present && opened.number == one.number ? 0 : 1;
      std::set<std::string> filters;
      for (const auto& each : opened.subscriptions) {
        filters.insert(each.filter);
      }
      std::set<std::string> messages;
      std::set<std::uint64_t> marks;
      for (const auto& each : opened.page) {
        if (each.message) {
          result.inconsistent += messages.insert(each.message->topic).second ? 0 : 1;
        } else {
          marks.insert(each.sequence);
        }
      }
      queued += opened.page.size();
      subscriptions += opened.subscriptions.size();
      const std::set<std::uint16_t> ids(opened.received_ids.begin(), opened.received_ids.end());
      for (const auto& each : one.subscriptions) {
        result.lost += filters.contains(each) ? 0 : 1;
      }
      for (const auto each : one.ids) {
        result.lost += ids.contains(each) ? 0 : 1;
      }
      for (const auto each : one.released) {
        result.lost += ids.contains(each) ? 1 : 0;
      }
      for (const auto& each : one.queued) {
        result.lost += messages.contains(each) ? 0 : 1;
      }
      for (const auto& each : one.received) {
        result.lost += marks.contains(one.sequences[each.first]) ? 0 : 1;
      }
      // A number that stood for a message never stands for another.
      const auto probe = "probe" + std::to_string(++counter);
      f.publish(probe, {one.number});
      ++queued;
      if (durability == Durability::fsync || kills) {
        f.settle_clock();
        for (const auto& each : f.ears.take_queued()) {
          result.inconsistent += each.queued.sequence > one.last_sequence ? 0 : 1;
          one.last_sequence = std::max(one.last_sequence, each.queued.sequence);
        }
      }
    }
    result.inconsistent += f.store->stats().queued == queued ? 0 : 1;
    result.inconsistent += f.store->stats().subscriptions == subscriptions ? 0 : 1;
    result.inconsistent += f.visited.size() == subscriptions ? 0 : 1;
    std::map<std::string, int> there;
    for (const auto& each : f.ask(RetainedLoad{"#", {}, 1000, 1u << 20}).page) {
      there[each.message->topic] = std::stoi(each.message->payload);
    }
    for (const auto& [topic, id] : retained) {
      result.lost += there[topic] >= id ? 0 : 1;
    }
    result.inconsistent += f.store->stats().retained == there.size() ? 0 : 1;
    f.store.reset();
  }
  return result;
}

} // namespace

TEST_SUITE("session store power cuts") {
  TEST_CASE("with fsync nothing that was answered is lost: subscriptions, queues, ids of QoS 2, "
            "retained messages [MQTT-4.1.0-1] [MQTT5-4.1.0-1]") {
    std::size_t answered = 0;
    const int count = rounds(40);
    for (int i = 0; i < count; ++i) {
      const auto seed = seed_or(1) + static_cast<unsigned>(i);
      CAPTURE(seed);
      const CutResult result = session_cuts(seed, Durability::fsync, seed % 3 != 0);
      CHECK(result.lost == 0);
      CHECK(result.inconsistent == 0);
      answered += result.answered;
    }
    CHECK(answered > 50u * static_cast<unsigned>(count));
  }

  TEST_CASE("without fsync some is lost, so the test above can tell") {
    std::size_t lost = 0;
    for (std::uint32_t seed = 1; seed <= 10; ++seed) {
      lost += session_cuts(seed, Durability::os, false).lost;
    }
    CHECK(lost > 0);
  }
}
