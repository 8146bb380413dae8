#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "engine/routing/index.hpp"
#include "engine/wire/codec.hpp"

using namespace spate;
using namespace spate::routing;

namespace {

/// Who was matched, as text: "7" for session 7, "7:3" with its subscription identifier,
/// "name(7,8)" for a group.
struct Seen final : Visitor {
  std::multiset<std::string> who;

  static std::string text(const Subscription& each) {
    const std::uint32_t id = each.options.id;
    return std::to_string(each.subscriber->session()) + (id != 0 ? ":" + std::to_string(id) : "");
  }
  void on_match(const Subscription& each) override { who.insert(text(each)); }
  void on_match(const ShareGroup& group) override {
    std::string members;
    for (const auto& each : group.members) {
      members += (members.empty() ? "" : ",") + text(*each);
    }
    who.insert(group.name + "(" + members + ")");
  }
};

std::multiset<std::string> match(const Snapshot& snapshot, std::string_view topic) {
  Seen seen;
  snapshot.match(topic, seen);
  return seen.who;
}
std::multiset<std::string> match(const Index& index, std::string_view topic) {
  return match(*index.snapshot(), topic);
}

using Names = std::multiset<std::string>;

struct Fixture {
  Index index;
  std::map<std::uint64_t, Ref<Subscriber>> subscribers;

  Change change(std::uint64_t session, std::string_view filter, bool remove = false) {
    auto& who = subscribers[session];
    if (who == nullptr) {
      who = new Subscriber(session);
    }
    Change out;
    out.filter = filter;
    out.subscriber = who;
    out.remove = remove;
    if (wire::is_shared(filter)) {
      const std::string_view rest = filter.substr(wire::kSharePrefix.size());
      out.share = rest.substr(0, rest.find('/'));
      out.filter = rest.substr(rest.find('/') + 1);
    }
    return out;
  }
  bool add(std::uint64_t session, std::string_view filter, Options options = {}) {
    Change made = change(session, filter);
    made.options = options;
    std::vector<bool> existed;
    index.apply({made}, &existed);
    return existed.at(0);
  }
  bool remove(std::uint64_t session, std::string_view filter) {
    std::vector<bool> existed;
    index.apply({change(session, filter, true)}, &existed);
    return existed.at(0);
  }
};

} // namespace

TEST_SUITE("routing index") {
  TEST_CASE("wildcards take what the standard says [MQTT-4.7]") {
    Fixture f;
    f.add(1, "sport/tennis/player1/#");
    f.add(2, "sport/#");
    f.add(3, "#");
    f.add(4, "sport/tennis/+");
    f.add(5, "+");
    f.add(6, "sport/+");
    f.add(7, "+/+");
    f.add(8, "/+");
    f.add(9, "+/tennis/#");
    CHECK(match(f.index, "sport/tennis/player1") == Names{"1", "2", "3", "4", "9"});
    CHECK(match(f.index, "sport/tennis/player1/score/wimbledon") == Names{"1", "2", "3", "9"});
    CHECK(match(f.index, "sport") == Names{"2", "3", "5"});
    CHECK(match(f.index, "sport/") == Names{"2", "3", "6", "7"});
    CHECK(match(f.index, "/finance") == Names{"3", "7", "8"});
    CHECK(match(f.index, "other/tennis") == Names{"3", "7", "9"});
    CHECK(match(f.index, "/") == Names{"3", "7", "8"});
  }

  TEST_CASE("wildcards do not take a first level with $ [MQTT-4.7.2-1]") {
    Fixture f;
    f.add(1, "#");
    f.add(2, "+/monitor/clients");
    f.add(3, "$SYS/#");
    f.add(4, "$SYS/monitor/+");
    CHECK(match(f.index, "$SYS/monitor/clients") == Names{"3", "4"});
    CHECK(match(f.index, "$SYS") == Names{"3"});
    CHECK(match(f.index, "x/monitor/clients") == Names{"1", "2"});
  }

  TEST_CASE("a later subscription replaces that of the same filter, and is told that it does") {
    Fixture f;
    Options options;
    options.id = 3;
    CHECK_FALSE(f.add(1, "a/b", options));
    options.id = 4;
    CHECK(f.add(1, "a/b", options));
    CHECK_FALSE(f.add(1, "a/+", options));
    CHECK(match(f.index, "a/b") == Names{"1:4", "1:4"});
    CHECK(f.remove(1, "a/b"));
    CHECK_FALSE(f.remove(1, "a/b"));
    CHECK_FALSE(f.remove(1, "x/y/z"));
    CHECK_FALSE(f.remove(1, "+/y/z"));
    CHECK(match(f.index, "a/b") == Names{"1:4"});
  }

  TEST_CASE("a shared subscription is matched once for its group [MQTT5-4.8.2]") {
    Fixture f;
    CHECK_FALSE(f.add(1, "$share/g/a/#"));
    CHECK_FALSE(f.add(2, "$share/g/a/#"));
    CHECK(f.add(2, "$share/g/a/#"));
    f.add(1, "$share/h/a/#");
    f.add(3, "a/#");
    CHECK(match(f.index, "a/b") == Names{"3", "g(1,2)", "h(1)"});
    CHECK(f.remove(1, "$share/g/a/#"));
    CHECK_FALSE(f.remove(1, "$share/g/a/#"));
    CHECK(f.remove(1, "$share/h/a/#"));
    CHECK(match(f.index, "a/b") == Names{"3", "g(2)"});
  }

  TEST_CASE("nothing is left once all is unsubscribed") {
    Fixture f;
    const std::vector<std::string> filters = {"a/b/c",        "a/+/c", "#", "+",
                                              "$share/g/x/y", "a/#",   ""};
    for (const auto& filter : filters) {
      f.add(1, filter);
    }
    CHECK_FALSE(f.index.snapshot()->empty());
    for (const auto& filter : filters) {
      CHECK(f.remove(1, filter));
    }
    CHECK(f.index.snapshot()->empty());
  }

  TEST_CASE("it matches what a look at each filter matches, and old versions stay as they were") {
    std::mt19937 random(3);
    const auto level = [&](bool wild) -> std::string {
      static const std::vector<std::string> names = {"a", "b", "c", "", "$x"};
      return wild && random() % 4 == 0 ? "+" : names[random() % names.size()];
    };
    const auto text = [&](bool filter) {
      std::string out = level(filter);
      for (auto n = random() % 4; n > 0; --n) {
        out += "/" + level(filter);
      }
      return filter && random() % 5 == 0 ? (random() % 5 == 0 ? "#" : out + "/#") : out;
    };
    Fixture f;
    std::set<std::pair<std::string, std::uint64_t>> model;
    struct Kept {
      std::shared_ptr<const Snapshot> snapshot;
      std::string topic;
      Names expected;
    };
    std::vector<Kept> kept;
    for (int round = 0; round < 3000; ++round) {
      std::vector<std::string> filters; // Changes borrow them.
      std::vector<Change> changes;
      std::vector<bool> existed;
      std::vector<bool> expected;
      filters.reserve(8);
      for (auto n = random() % 6; n > 0; --n) {
        filters.push_back(text(true));
        const std::uint64_t session = random() % 12;
        const bool remove = random() % 100 < (round / 300 % 2 == 0 ? 35u : 65u);
        changes.push_back(f.change(session, filters.back(), remove));
        expected.push_back(model.contains({filters.back(), session}));
        remove ? static_cast<void>(model.erase({filters.back(), session}))
               : static_cast<void>(model.emplace(filters.back(), session));
      }
      f.index.apply(changes, &existed);
      REQUIRE(existed == expected);
      REQUIRE(f.index.size() == model.size());
      const std::string topic = text(false);
      Names names;
      for (const auto& [filter, session] : model) {
        if (wire::filter_takes(filter, topic)) {
          names.insert(std::to_string(session));
        }
      }
      CAPTURE(topic);
      REQUIRE(match(f.index, topic) == names);
      if (round % 10 == 0) {
        kept.push_back({f.index.snapshot(), topic, names});
      }
    }
    for (const Kept& each : kept) {
      CHECK(match(*each.snapshot, each.topic) == each.expected);
    }
  }

  TEST_CASE("readers go on while sessions come and go") {
    Fixture f;
    f.add(1, "devices/+/telemetry");
    for (std::uint64_t session = 2; session < 40; ++session) {
      f.change(session, "a"); // Makes it known before the threads begin.
    }
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&] {
        Reader reader(f.index);
        while (!stop) {
          wrong += match(reader.newest(), "devices/7/telemetry").contains("1") ? 0 : 1;
        }
      });
    }
    std::vector<std::thread> writers;
    for (std::uint64_t t = 0; t < 2; ++t) {
      writers.emplace_back([&, t] {
        for (int i = 0; i < 2000; ++i) {
          const std::uint64_t session = 2 + t * 19 + static_cast<std::uint64_t>(i % 19);
          const std::string filter = "devices/" + std::to_string(i % 50) + "/#";
          Change change;
          change.filter = filter;
          change.subscriber = f.subscribers.at(session);
          change.remove = i % 3 == 2;
          f.index.apply({change});
        }
      });
    }
    for (auto& each : writers) {
      each.join();
    }
    stop = true;
    for (auto& each : threads) {
      each.join();
    }
    CHECK(wrong == 0);
    CHECK(f.index.version() == 4001);
  }

  TEST_CASE("a connection that goes does not take its successor's place away") {
    Subscriber who(5);
    who.move_to(11);
    who.move_to(12);
    CHECK_FALSE(who.leave(11));
    CHECK(who.place() == 12);
    CHECK(who.leave(12));
    CHECK(who.place() == 0);
  }
}
