// Many sessions: what a restart takes, and what they cost while they are idle.
// SPATE_SESSIONS=500000 makes it the size that is promised, and prints what was measured.
#include <chrono>
#include <cstdlib>
#include <fstream>

#include "tests/storage/session_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

namespace {

std::size_t resident_kb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) {
      return std::strtoul(line.c_str() + 6, nullptr, 10);
    }
  }
  return 0;
}

bool measures() {
  return std::getenv("SPATE_SESSIONS") != nullptr;
}

std::int64_t ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               start)
      .count();
}

} // namespace

#define SAY(...)                                                                                   \
  if (measures()) {                                                                                \
    MESSAGE(__VA_ARGS__);                                                                          \
  }

TEST_SUITE("session store size") {
  /// Opens it and counts what is visited; the fixture's list would be what is measured.
  std::size_t open_counting(SessionFixture & f, const std::string& what) {
    f.store.reset();
    const auto before_kb = resident_kb();
    const auto start = std::chrono::steady_clock::now();
    f.ears.notes_restored = false;
    f.ears.restored_count = 0;
    auto opened = SessionStore::open(f.options, f.ears);
    REQUIRE(opened);
    f.store = std::move(*opened);
    f.store->begin();
    f.settle_clock();
    const std::size_t visited = f.ears.restored_count;
    SAY(what << ": " << ms_since(start) << " ms, " << visited << " subscriptions, resident "
             << before_kb << " to " << resident_kb() << " KB");
    return visited;
  }

  TEST_CASE("many sessions with a subscription each are there after a restart") {
    const char* given = std::getenv("SPATE_SESSIONS");
    const std::size_t count = given != nullptr ? std::strtoul(given, nullptr, 10) : 3000;
    SessionFixture f;
    f.options.durability = Durability::fsync;
    f.options.waiting_bytes_max = 1u << 30;
    f.open();
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t done = 0; done < count;) {
      std::vector<SessionEntry> entries;
      while (entries.size() < 1500 && done < count) {
        const SessionNumber number = ++done;
        const auto name = "device-" + std::to_string(1'000'000 + number);
        entries.emplace_back(f.opening(name, 86'400));
        entries.emplace_back(SessionSubscribing{number, {f.subscription("to/" + name + "/#")}, {}});
        if (number % 10 != 0) { // The others are connected when the node dies.
          entries.emplace_back(SessionClosing{number, 86'400, false, 0});
        }
      }
      const auto asked = entries.size();
      f.submit(std::move(entries));
      for (std::size_t i = 0; i < asked; ++i) {
        REQUIRE(f.ears.next().status == SessionStatus::done);
      }
    }
    SAY("written: " << ms_since(start) << " ms");
    CHECK(open_counting(f, "restart, a tenth was connected") == count);
    CHECK(open_counting(f, "restart, nobody was connected") == count);
    CHECK(f.store->stats().sessions == count);
    const auto comes = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < 1000; ++i) {
      const auto number = 1 + i * 7919 % count;
      auto opened = f.connect("device-" + std::to_string(1'000'000 + number));
      CHECK(opened.number == number);
      CHECK(opened.subscriptions.size() == 1);
    }
    SAY("1000 openings, one after the other: " << ms_since(comes) << " ms");
    f.clock_ms += 100'000'000; // All others end.
    while (f.store->stats().sessions > std::min<std::size_t>(count, 1000)) {
      f.settle_clock();
    }
    SAY("written, opened twice and ended: " << ms_since(start) << " ms, resident " << resident_kb()
                                            << " KB");
  }

  TEST_CASE("messages for one session, each acknowledged, leave nothing behind") {
    const std::size_t count = measures() ? 200'000 : 2000;
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t sequence = 1; sequence <= count;) {
      std::vector<SessionEntry> entries;
      const auto first = sequence;
      while (entries.size() < 200 && sequence <= count) {
        entries.emplace_back(f.publishing(f.message("t", std::string(200, 'x')), {number}));
        ++sequence;
      }
      f.submit(std::move(entries));
      std::vector<SessionEntry> settled;
      for (auto i = first; i < sequence; ++i) {
        REQUIRE(f.ears.next().status == SessionStatus::done);
        settled.emplace_back(SessionSettling{number, i, false});
      }
      f.submit(std::move(settled));
    }
    f.settle_clock();
    SAY(count << " messages put in and taken out: " << ms_since(start) << " ms");
    CHECK(f.store->stats().queued == 0);
    const auto comes = std::chrono::steady_clock::now();
    CHECK(f.connect("c").page.empty());
    SAY("opening behind them: " << ms_since(comes) << " ms");
  }
}
