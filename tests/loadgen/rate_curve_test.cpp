#include "loadgen/load/rate_curve.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <numbers>

#include <doctest/doctest.h>

using namespace spate;
using namespace spate::loadgen;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

RateCurve curve_of(const RatePattern& pattern, std::initializer_list<RateLevel> levels) {
  return RateCurve::of(pattern, std::span(levels.begin(), levels.size())).value();
}

/// 1,000 devices, each once a second.
RatePattern steady() {
  RatePattern pattern;
  pattern.devices = 1000;
  pattern.every_ns = kSecond;
  return pattern;
}

} // namespace

TEST_CASE("a message is due where the integral of the rate reaches its number") {
  // Up from 0 to 1,000/s in 10 s, held for 5 s, then at half of it.
  const RateCurve curve =
      curve_of(steady(), {{10 * kSecond, 0, 1}, {5 * kSecond, 1, 1}, {5 * kSecond, 0.5, 0.5}});
  CHECK(curve.messages() == 5000 + 5000 + 2500);
  RateCursor cursor(curve);
  CHECK(cursor.due_ns(0) == 0);
  for (const double n : {1.0, 50.0, 4999.0}) { // t^2/2 * 100/s^2 = n
    CHECK(cursor.due_ns(n) == doctest::Approx(std::sqrt(n / 50) * 1e9).epsilon(1e-12));
  }
  CHECK(cursor.due_ns(5000) == 10e9);
  CHECK(cursor.due_ns(7500) == 12.5e9);
  CHECK(cursor.due_ns(10'000) == 15e9);
  CHECK(cursor.due_ns(10'001) == doctest::Approx(15.002e9).epsilon(1e-12));
  CHECK(cursor.due_ns(12'499) < 20e9);
  CHECK(cursor.due_ns(12'500) == RateCursor::kNever);
}

TEST_CASE("what is due before a time and when it is due agree, through slopes down to nothing") {
  const RateCurve curve = curve_of(
      steady(), {{3 * kSecond, 0.2, 3}, {kSecond, 0, 0}, {2 * kSecond, 5, 0}, {kSecond, 1, 1}});
  RateCursor cursor(curve);
  double last = -1;
  for (int n = 0; n < static_cast<int>(curve.messages()); ++n) {
    const double due = cursor.due_ns(n);
    REQUIRE(due >= last);
    last = due;
    // The integral's rounding: a slope that ends at 0 turns 1e-9 messages into many ns.
    REQUIRE(curve.messages_before(static_cast<std::int64_t>(due)) ==
            doctest::Approx(n).epsilon(1e-5));
  }
  CHECK(curve.messages_before(7 * kSecond) == curve.messages());
  CHECK(curve.messages_before(70 * kSecond) == curve.messages());
}

TEST_CASE("a pause holds back the message behind it until it is over") {
  const RateCurve curve =
      curve_of(steady(), {{kSecond, 1, 1}, {10 * kSecond, 0, 0}, {kSecond, 1, 1}});
  RateCursor cursor(curve);
  CHECK(cursor.due_ns(999) == doctest::Approx(0.999e9));
  CHECK(cursor.due_ns(1000) == 11e9);
  CHECK(curve.rate_at(5 * kSecond) == 0);
}

TEST_CASE("a herd sends everything at the begin of each period, and each device once") {
  RatePattern pattern = steady();
  pattern.devices = 777;
  pattern.every_ns = 60 * kSecond;
  pattern.herd_spread_ns = 3'100'000'007; // No number that divides anything.
  const RateCurve curve = curve_of(pattern, {{3600 * kSecond, 1, 1}});
  CHECK(curve.messages() == 60 * 777);
  RateCursor cursor(curve);
  for (int minute = 0; minute < 60; ++minute) {
    REQUIRE(cursor.due_ns(minute * 777) == minute * 60e9);
    REQUIRE(cursor.due_ns(minute * 777 + 776) < minute * 60e9 + 3'100'000'007);
  }
}

TEST_CASE("whatever the numbers, no message of a herd falls into the next one") {
  int off = 0;
  for (int devices = 1; devices < 2000; devices += 37) {
    for (std::int64_t spread_ns = 1'000'003; spread_ns < kSecond; spread_ns += 97'000'019) {
      RatePattern pattern = steady();
      pattern.devices = devices;
      pattern.herd_spread_ns = spread_ns;
      const RateCurve curve = curve_of(pattern, {{30 * kSecond, 1, 1}});
      RateCursor cursor(curve);
      for (int period = 0; period < 30; ++period) {
        const auto begin_ns = static_cast<double>(period * kSecond);
        off += cursor.due_ns(period * devices) == begin_ns ? 0 : 1;
        off += cursor.due_ns(period * devices + devices - 1) < begin_ns + 1e9 ? 0 : 1;
      }
    }
  }
  CHECK(off == 0);
}

TEST_CASE("a day's wave is right to one percent of its peak") {
  RatePattern pattern = steady();
  pattern.diurnal_period_ns = 86'400 * kSecond;
  pattern.diurnal_low = 0.1;
  pattern.diurnal_peak_ns = 14 * 3600 * kSecond;
  // A level that slopes on top of it: the worst case is one that slopes within a chord.
  for (const std::int64_t length_s : {86'400, 2 * 86'400, 675}) {
    const RateCurve curve = curve_of(pattern, {{length_s * kSecond, 0, 2}});
    double worst = 0;
    for (std::int64_t s = 0; s < length_s; s += 61) {
      const double turn = static_cast<double>(s - 14 * 3600) / 86'400;
      const double wave = 0.1 + 0.9 * (1 + std::cos(2 * std::numbers::pi * turn)) / 2;
      const double level = 2 * static_cast<double>(s) / static_cast<double>(length_s);
      worst = std::max(worst, std::abs(curve.rate_at(s * kSecond) - 1000 * wave * level));
    }
    CHECK(worst < 0.01 * 2000);
  }
  const RateCurve day = curve_of(pattern, {{86'400 * kSecond, 1, 1}});
  CHECK(day.messages() == doctest::Approx(86'400'000 * 0.55).epsilon(0.001));
}

TEST_CASE("a curve with too many pieces is refused, one just below is not") {
  RatePattern pattern = steady();
  pattern.herd_spread_ns = 100'000'000;
  const RateLevel fits{131'072 * kSecond, 1, 1};
  const RateLevel too_long{131'073 * kSecond, 1, 1};
  CHECK(RateCurve::of(pattern, std::span(&fits, 1)).value().pieces() == RateCurve::kPiecesMax);
  const auto refused = RateCurve::of(pattern, std::span(&too_long, 1));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::usage);
  CHECK(refused.error().detail.find("262144") != std::string::npos);
}

TEST_CASE("a constant rate never ends") {
  const RateCurve curve = RateCurve::constant(3);
  RateCursor cursor(curve);
  CHECK(cursor.due_ns(1e9) == 1e9 * (1e9 / 3));
  CHECK(curve.messages_before(10 * kSecond) == doctest::Approx(30));
  CHECK(std::isinf(curve.messages()));
}
