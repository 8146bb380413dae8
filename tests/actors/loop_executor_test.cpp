#include "actors/loop_executor.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include <caf/actor_system_config.hpp>
#include <caf/atom.hpp>
#include <caf/send.hpp>
#include <doctest/doctest.h>

#include "actors/session_table.hpp"
#include "actors/timer_wheel.hpp"

namespace spate::actors {
namespace {

using Tick = caf::atom_constant<caf::atom("tick")>;
using Urgent = caf::atom_constant<caf::atom("urgent")>;
using Stop = caf::atom_constant<caf::atom("stop")>;

struct Log {
  net::Loop* loop = nullptr;
  std::vector<char> order;
  bool always_on_loop = true;
  int normal = 0;
};

class Counting final : public PinnedActor {
public:
  Counting(caf::actor_config& config, Log& log) : PinnedActor(config), log_(log) {}
  caf::behavior make_behavior() override {
    return {[this](Tick) { note('n'); }, [this](Urgent) { note('u'); },
            [this](Stop) {
              log_.loop->stop();
              quit();
            }};
  }

private:
  void note(char what) {
    log_.always_on_loop = log_.always_on_loop && log_.loop->on_loop_thread();
    log_.order.push_back(what);
    log_.normal += what == 'n' ? 1 : 0;
  }
  Log& log_;
};

/// Sends itself its next message for ever, as urgent or as normal as the first was.
class Restless final : public PinnedActor {
public:
  Restless(caf::actor_config& config, std::vector<char>& order)
      : PinnedActor(config), order_(order) {}
  caf::behavior make_behavior() override {
    return {[this](Tick) {
              order_.push_back('n');
              caf::anon_send(caf::actor_cast<caf::actor>(ctrl()), Tick::value);
            },
            [this](Urgent) {
              order_.push_back('u');
              caf::anon_send<caf::message_priority::high>(caf::actor_cast<caf::actor>(ctrl()),
                                                          Urgent::value);
            }};
  }

private:
  std::vector<char>& order_;
};

struct Hooks final : net::LoopHooks {
  LoopExecutor* executor = nullptr;
  bool before_poll() override { return executor->run_ready(); }
  void between_reads() override { executor->run_urgent(); }
};

struct Fixture {
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  net::Loop loop;
  Log log;
  Hooks hooks;

  Fixture() {
    config.set("scheduler.max-threads", 1u);
    system = std::make_unique<caf::actor_system>(config);
    log.loop = &loop;
  }
};

void stop(LoopExecutor& executor, const std::vector<caf::actor>& actors) {
  for (const caf::actor& actor : actors) {
    caf::anon_send_exit(actor, caf::exit_reason::kill);
  }
  while (executor.run_ready()) {
  }
}

TEST_SUITE("actors.loop_executor") {
  TEST_CASE("messages of many threads are handled on the actor's own loop, none lost") {
    Fixture f;
    LoopExecutor executor(*f.system, f.loop);
    f.hooks.executor = &executor;
    f.loop.set_hooks(f.hooks);
    const caf::actor actor = spawn_on<Counting>(executor, f.log);
    std::thread loop_thread([&] {
      f.loop.run();
      while (executor.run_ready()) {
      }
    });
    constexpr int kEach = 5000;
    std::vector<std::thread> senders;
    for (int t = 0; t < 3; ++t) {
      senders.emplace_back([&actor] {
        for (int i = 0; i < kEach; ++i) {
          caf::anon_send(actor, Tick::value);
          if (i % 10 == 0) {
            caf::anon_send<caf::message_priority::high>(actor, Urgent::value);
          }
        }
      });
    }
    for (auto& sender : senders) {
      sender.join();
    }
    caf::anon_send(actor, Stop::value);
    loop_thread.join();
    CHECK(f.log.always_on_loop);
    CHECK(f.log.normal == 3 * kEach);
    CHECK(f.log.order.size() == 3 * kEach + 3 * kEach / 10);
  }

  TEST_CASE("an actor with an urgent message runs before those that were ready earlier") {
    Fixture f;
    LoopExecutor executor(*f.system, f.loop);
    f.hooks.executor = &executor;
    f.loop.set_hooks(f.hooks);
    Log other = f.log;
    const caf::actor first = spawn_on<Counting>(executor, f.log);
    const caf::actor second = spawn_on<Counting>(executor, f.log);
    f.loop.post([&] {
      caf::anon_send(first, Tick::value);
      caf::anon_send(second, Tick::value);
      caf::anon_send<caf::message_priority::high>(second, Urgent::value);
      caf::anon_send(first, Stop::value);
    });
    f.loop.run();
    while (executor.run_ready()) {
    }
    REQUIRE(f.log.order.size() == 3);
    CHECK(f.log.order[0] == 'u');
    caf::anon_send_exit(second, caf::exit_reason::kill);
    while (executor.run_ready()) {
    }
  }

  TEST_CASE("a normal actor is served under a nonstop stream of urgent ones") {
    Fixture f;
    LoopExecutor executor(*f.system, f.loop);
    std::vector<char> order;
    std::vector<caf::actor> restless;
    for (int i = 0; i < 3; ++i) {
      restless.push_back(spawn_on<Restless>(executor, order));
      caf::anon_send<caf::message_priority::high>(restless.back(), Urgent::value);
    }
    const caf::actor normal = spawn_on<Counting>(executor, f.log);
    caf::anon_send(normal, Tick::value);
    CHECK(executor.run_ready());
    CHECK(f.log.normal == 1);
    CHECK(order.size() <= 3 * LoopExecutor::kUrgentMax * LoopExecutor::kQuantum);
    stop(executor, restless);
    stop(executor, {normal});
  }

  TEST_CASE("an urgent actor is served under a nonstop stream of normal ones") {
    Fixture f;
    LoopExecutor executor(*f.system, f.loop);
    std::vector<char> order;
    std::vector<caf::actor> restless;
    for (std::size_t i = 0; i < LoopExecutor::kActorsMax + 10; ++i) {
      restless.push_back(spawn_on<Restless>(executor, order));
      caf::anon_send(restless.back(), Tick::value);
    }
    executor.run_ready();
    const caf::actor urgent = spawn_on<Counting>(executor, f.log);
    caf::anon_send<caf::message_priority::high>(urgent, Urgent::value);
    order.clear();
    executor.run_urgent(); // As between two reads.
    CHECK(f.log.order == std::vector<char>{'u'});
    CHECK(order.empty());
    stop(executor, restless);
    stop(executor, {urgent});
  }

  TEST_CASE("without priorities an urgent message waits its turn") {
    Fixture f;
    LoopExecutor executor(*f.system, f.loop, false);
    const caf::actor first = spawn_on<Counting>(executor, f.log);
    const caf::actor second = spawn_on<Counting>(executor, f.log);
    caf::anon_send(first, Tick::value);
    caf::anon_send(second, Tick::value);
    caf::anon_send<caf::message_priority::high>(second, Urgent::value);
    CHECK(executor.urgent_depth().actors == 0);
    executor.run_urgent();
    CHECK(f.log.order.empty());
    executor.run_ready();
    CHECK(f.log.order == std::vector<char>{'n', 'n', 'u'});
    stop(executor, {first, second});
  }

  TEST_CASE("what waits is seen by class, with the age of its oldest") {
    Fixture f;
    LoopExecutor executor(*f.system, f.loop);
    CHECK(executor.urgent_depth().oldest_ns == 0);
    const caf::actor first = spawn_on<Counting>(executor, f.log);
    const caf::actor second = spawn_on<Counting>(executor, f.log);
    CHECK(executor.normal_depth().actors == 2); // To begin their life.
    executor.run_ready();
    CHECK(executor.normal_depth().actors == 0);
    const std::int64_t begin_ns = steady_ns();
    caf::anon_send(first, Tick::value); // From outside the loop's thread: an arrival.
    CHECK(executor.normal_depth().actors == 1);
    const std::int64_t oldest_ns = executor.normal_depth().oldest_ns;
    CHECK(oldest_ns >= begin_ns);
    CHECK(oldest_ns <= steady_ns());
    caf::anon_send(second, Tick::value);
    CHECK(executor.normal_depth().actors == 2);
    CHECK(executor.urgent_depth().actors == 0);
    executor.run_urgent(); // Takes the arrivals over, and runs none of them.
    CHECK(f.log.order.empty());
    CHECK(executor.normal_depth().actors == 2);
    CHECK(executor.normal_depth().oldest_ns == oldest_ns);
    caf::anon_send<caf::message_priority::high>(first, Urgent::value); // Only a hint.
    CHECK(executor.urgent_depth().actors == 1);
    CHECK(executor.urgent_depth().oldest_ns >= oldest_ns);
    executor.run_urgent();
    CHECK(executor.urgent_depth().actors == 0);
    CHECK(executor.urgent_depth().oldest_ns == 0);
    CHECK(executor.normal_depth().actors == 1);
    CHECK(executor.normal_depth().oldest_ns > oldest_ns); // The second's.
    executor.run_ready();
    CHECK(executor.normal_depth().actors == 0);
    CHECK(executor.normal_depth().oldest_ns == 0);
    stop(executor, {first, second});
  }
}

TEST_SUITE("actors.timer_wheel") {
  TEST_CASE("timers fire at or shortly after their time, also behind the wheel's span") {
    TimerWheel<int> wheel(10'000);
    std::vector<int> fired;
    const auto note = [&fired](int item) { fired.push_back(item); };
    wheel.arm(12'500, 1);
    wheel.arm(5'000, 2); // Already past: the next slot.
    wheel.arm(10'000'000, 3);
    wheel.advance(10'999, 100, note);
    CHECK(fired.empty());
    wheel.advance(12'499, 100, note);
    CHECK(fired == std::vector<int>{2});
    wheel.advance(13'000, 100, note);
    CHECK(fired == std::vector<int>{2, 1});
    wheel.advance(10'000 + 1024 * 1000, 100, note);
    CHECK(fired ==
          std::vector<int>{2, 1, 3}); // Early, at the wheel's end: armed again by its owner.
  }

  TEST_CASE("many that are due fire in steps, none twice and none left out") {
    TimerWheel<int> wheel(10'000);
    std::vector<int> fired;
    const auto note = [&](int item) {
      fired.push_back(item);
      if (item == 0) {
        wheel.arm(10'500, 7); // Due with the next slot.
      }
    };
    for (int i = 0; i < 5; ++i) {
      wheel.arm(10'500, i);
    }
    wheel.arm(11'500, 5);
    wheel.arm(11'500, 6);
    CHECK(wheel.advance(12'000, 3, note));
    CHECK(fired == std::vector<int>{0, 1, 2});
    CHECK(wheel.advance(12'000, 3, note));
    CHECK(fired == std::vector<int>{0, 1, 2, 3, 4, 5});
    CHECK_FALSE(wheel.advance(12'000, 3, note));
    CHECK(fired == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7});
    CHECK_FALSE(wheel.advance(12'000, 3, note));
    CHECK(fired.size() == 8);
  }
}

TEST_SUITE("actors.session_table") {
  TEST_CASE("a later tenant of a slot is not taken for the earlier one") {
    SessionTable table;
    auto* one = reinterpret_cast<DeviceSession*>(std::uintptr_t{16});
    auto* two = reinterpret_cast<DeviceSession*>(std::uintptr_t{32});
    const SessionRef a = table.add(one);
    CHECK(table.find(a.slot, a.generation) == one);
    table.remove(a);
    CHECK(table.find(a.slot, a.generation) == nullptr);
    const SessionRef b = table.add(two);
    CHECK(b.slot == a.slot);
    CHECK(table.find(a.slot, a.generation) == nullptr);
    CHECK(table.find(b.slot, b.generation) == two);
    CHECK(table.size() == 1);
  }
}

} // namespace
} // namespace spate::actors
