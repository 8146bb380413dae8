#include "loadgen/load/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <map>

#include <doctest/doctest.h>

using namespace spate::loadgen;

TEST_CASE("fixed times do not drift: the millionth is as exact as the first") {
  Schedule schedule(Arrival::fixed, 3.0, 1'500, 1); // A period that no binary number holds.
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
  Schedule schedule(Arrival::fixed, 1000, 0, 1);
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
      Schedule schedule(Arrival::fixed, rate, 0, 1);
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
  Schedule schedule(Arrival::poisson, 1000, 0, 42);
  Schedule same(Arrival::poisson, 1000, 0, 42);
  Schedule other(Arrival::poisson, 1000, 0, 43);
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

namespace {

std::shared_ptr<const RateCurve> ramp_and_herds() {
  RatePattern pattern;
  pattern.devices = 10;
  pattern.every_ns = 1'000'000'000;
  pattern.herd_spread_ns = 70'000'000;
  const RateLevel levels[] = {{3'000'000'000, 0, 2}, {2'000'000'000, 0, 0}, {2'500'000'000, 1, 1}};
  return std::make_shared<const RateCurve>(RateCurve::of(pattern, levels).value());
}

} // namespace

TEST_CASE("threads together send what one would, at the same times") {
  for (const std::uint32_t members : {1u, 3u, 4u, 10u, 20u}) {
    for (const std::uint32_t threads : {1u, 2u, 3u, 7u}) {
      CAPTURE(members);
      CAPTURE(threads);
      const auto curve = ramp_and_herds();
      std::map<std::uint64_t, std::int64_t> times;
      std::map<std::pair<std::uint32_t, std::uint32_t>, int> spoken; // Connection and member.
      const std::uint32_t connections = (10 - 1) / members + 1;
      for (std::uint32_t thread = 0; thread < std::min(threads, connections); ++thread) {
        Schedule schedule(Arrival::fixed, curve, Turns(10, members, thread, threads), 500, 1);
        std::int64_t last_ns = 0;
        for (; schedule.next_ns() != Schedule::kNever; schedule.pop()) {
          REQUIRE(schedule.next_ns() >= last_ns);
          last_ns = schedule.next_ns();
          REQUIRE(times.emplace(schedule.turn().number(), schedule.next_ns()).second);
          ++spoken[{thread + schedule.turn().index() * threads, schedule.turn().member()}];
        }
      }
      REQUIRE(times.size() == static_cast<std::size_t>(std::ceil(curve->messages())));
      RateCursor cursor(*curve);
      for (const auto& [number, time_ns] : times) {
        REQUIRE(time_ns == 500 + std::llround(cursor.due_ns(static_cast<double>(number))));
      }
      REQUIRE(spoken.size() == 10);
      for (const auto& [device, count] : spoken) {
        REQUIRE(std::abs(count - curve->messages() / 10) <= 1);
      }
    }
  }
}

TEST_CASE("what a thread has due before a time is counted exactly on any curve") {
  const auto curve = ramp_and_herds();
  for (const Arrival arrival : {Arrival::fixed, Arrival::poisson}) {
    for (const std::uint32_t thread : {0u, 1u, 2u}) {
      for (std::int64_t end_ns = 1; end_ns < 8'000'000'000; end_ns += 130'000'001) {
        Schedule schedule(arrival, curve, Turns(10, 3, thread, 3), 0, 1);
        const std::uint64_t said = schedule.due_before(end_ns);
        while (schedule.next_ns() < end_ns) {
          schedule.pop();
          REQUIRE((schedule.next_ns() >= end_ns || schedule.due_before(end_ns) == said));
        }
        REQUIRE(said == schedule.popped());
      }
    }
  }
}

TEST_CASE("a jump over turns lands where steps do") {
  for (const std::uint32_t stride : {1u, 2u, 3u}) {
    for (std::uint32_t first = 0; first < stride; ++first) {
      Turns walked(10, 4, first, stride);
      for (std::uint64_t count = 0; count < 50; ++count) {
        Turns jumped(10, 4, first, stride);
        jumped.jump(count);
        REQUIRE(jumped.number() == walked.number());
        REQUIRE(jumped.index() == walked.index());
        REQUIRE(jumped.member() == walked.member());
        REQUIRE(walked.before(walked.number()) == count);
        jumped.step();
        walked.step();
        REQUIRE(jumped.number() == walked.number());
      }
    }
  }
}

TEST_CASE("Poisson arrivals follow the curve") {
  RatePattern pattern;
  pattern.devices = 1000;
  pattern.every_ns = 1'000'000'000;
  const RateLevel levels[] = {{50'000'000'000, 0, 2}};
  const auto curve = std::make_shared<const RateCurve>(RateCurve::of(pattern, levels).value());
  Schedule schedule(Arrival::poisson, curve, Turns(1000, 1, 1, 4), 0, 7);
  // A fourth of the devices; in the first half of a slope a fourth of the messages.
  const double half = static_cast<double>(schedule.due_before(25'000'000'000));
  const double all = static_cast<double>(schedule.due_before(50'000'000'000));
  CHECK(half == doctest::Approx(50'000.0 / 16).epsilon(0.05));
  CHECK(all == doctest::Approx(50'000.0 / 4).epsilon(0.03));
}
