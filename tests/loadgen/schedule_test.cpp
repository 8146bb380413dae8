#include "loadgen/load/schedule.hpp"

#include <cmath>
#include <initializer_list>

#include <doctest/doctest.h>

using namespace spate::loadgen;

TEST_CASE("fixed times do not drift: the millionth is as exact as the first") {
  Schedule schedule(Arrival::fixed, 3.0, 1'000, 500, 1); // A period that no binary number holds.
  std::uint64_t wrong = 0;
  for (std::uint64_t i = 0; i < 1'000'000; ++i) {
    const auto exact =
        static_cast<std::int64_t>(std::llround(static_cast<long double>(i) * 1e9L / 3));
    wrong += schedule.next_ns() == 1'500 + exact ? 0 : 1;
    schedule.pop();
  }
  CHECK(wrong == 0);
  CHECK(schedule.popped() == 1'000'000);
}

TEST_CASE("a sender that comes late still sees when each message was due") {
  Schedule schedule(Arrival::fixed, 1000, 0, 0, 1);
  const std::int64_t late_ns = 5'000'000'000;
  std::int64_t last_ns = -1;
  while (schedule.next_ns() < late_ns) {
    CHECK(schedule.next_ns() == last_ns + (last_ns < 0 ? 1 : 1'000'000));
    last_ns = schedule.next_ns();
    schedule.pop();
  }
  CHECK(schedule.popped() == 5'000);
}

TEST_CASE("what is due before a time is counted exactly, popped or not") {
  for (const double rate : {7.0, 1000.0, 333'333.0}) {
    for (const std::int64_t end_ns : {std::int64_t{1}, std::int64_t{999'999'999},
                                      std::int64_t{1'000'000'000}, std::int64_t{2'000'000'001}}) {
      Schedule schedule(Arrival::fixed, rate, 0, 0, 1);
      const std::uint64_t said = schedule.due_before(end_ns);
      while (schedule.next_ns() < end_ns) {
        schedule.pop();
      }
      CHECK(said == schedule.popped());
      CHECK(schedule.due_before(end_ns) == said);
    }
  }
}

TEST_CASE("Poisson arrivals have the rate, the spread, and repeat with their seed") {
  constexpr int kCount = 100'000;
  Schedule schedule(Arrival::poisson, 1000, 0, 0, 42);
  Schedule same(Arrival::poisson, 1000, 0, 0, 42);
  Schedule other(Arrival::poisson, 1000, 0, 0, 43);
  double squares = 0;
  std::int64_t last_ns = 0;
  bool differs = false, backwards = false, repeats = true;
  for (int i = 0; i < kCount; ++i) {
    schedule.pop();
    same.pop();
    other.pop();
    backwards = backwards || schedule.next_ns() < last_ns;
    repeats = repeats && schedule.next_ns() == same.next_ns();
    differs = differs || schedule.next_ns() != other.next_ns();
    const double gap_ms = static_cast<double>(schedule.next_ns() - last_ns) / 1e6;
    squares += (gap_ms - 1) * (gap_ms - 1);
    last_ns = schedule.next_ns();
  }
  CHECK(differs);
  CHECK(repeats);
  CHECK_FALSE(backwards);
  CHECK(static_cast<double>(last_ns) / 1e6 / kCount == doctest::Approx(1).epsilon(0.02));
  CHECK(squares / kCount ==
        doctest::Approx(1).epsilon(0.05)); // An exponential's variance is its mean squared.
  CHECK(schedule.due_before(last_ns + 1'000'000'000) ==
        doctest::Approx(kCount + 1000.0).epsilon(0.01));
}
