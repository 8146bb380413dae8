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
}

TEST_SUITE("actors.timer_wheel") {
  TEST_CASE("timers fire at or shortly after their time, also behind the wheel's span") {
    TimerWheel<int> wheel(10'000);
    std::vector<int> fired;
    const auto note = [&fired](int item) { fired.push_back(item); };
    wheel.arm(12'500, 1);
    wheel.arm(5'000, 2); // Already past: the next slot.
    wheel.arm(10'000'000, 3);
    wheel.advance(10'999, note);
    CHECK(fired.empty());
    wheel.advance(12'499, note);
    CHECK(fired == std::vector<int>{2});
    wheel.advance(13'000, note);
    CHECK(fired == std::vector<int>{2, 1});
    wheel.advance(10'000 + 1024 * 1000, note);
    CHECK(fired ==
          std::vector<int>{2, 1, 3}); // Early, at the wheel's end: armed again by its owner.
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
