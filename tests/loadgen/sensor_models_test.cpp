#include "loadgen/load/sensor_models.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "loadgen/base/json_text.hpp"
#include "loadgen/base/random.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

SensorModel number(std::string field) {
  SensorModel model;
  model.field = std::move(field);
  return model;
}

SensorModel typed(std::string field, SensorModel::Type type) {
  SensorModel model = number(std::move(field));
  model.type = type;
  return model;
}

SensorPayload payload_of(std::vector<SensorModel> fields, std::uint64_t seed = 1) {
  return SensorPayload::make(fields, seed).value();
}

std::string text_of(const SensorPayload& payload, std::uint64_t device, std::int64_t ts) {
  std::string out;
  payload.append(out, device, ts);
  return out;
}

nlohmann::json json_of(const SensorPayload& payload, std::uint64_t device, std::int64_t ts) {
  return nlohmann::json::parse(text_of(payload, device, ts));
}

/// A field of each kind, some of them in objects that are not written next to each other.
std::vector<SensorModel> all_kinds() {
  SensorModel temperature = number("air.temp");
  temperature.mean = 21;
  temperature.spread = 3;
  temperature.amplitude = 4;
  temperature.noise = 0.3;
  temperature.drift_per_h = 0.01;
  temperature.step = 1;
  temperature.stuck_share = 0.1;
  temperature.min = -5.55;
  temperature.max = 23.27;
  SensorModel energy = typed("energy_kwh", SensorModel::Type::counter);
  energy.per_s = 0.002;
  energy.decimals = 3;
  SensorModel humidity = number("air.humidity");
  humidity.mean = 48;
  humidity.noise = 20;
  humidity.min = 0;
  humidity.max = 100;
  humidity.decimals = 0;
  SensorModel door = typed("door.open", SensorModel::Type::flag);
  SensorModel mode = typed("mode", SensorModel::Type::choice);
  mode.values = {"heat", "cool", "quo\"te\\ \n\x01 \xc3\xa9"};
  SensorModel firmware = typed("a.b.firm\"ware", SensorModel::Type::text);
  firmware.values = {"1.4.2"};
  return {temperature, energy, humidity, door, mode, firmware};
}

} // namespace

TEST_CASE("every payload is JSON with its time first, and its hash is that of its values") {
  const SensorPayload payload = payload_of(all_kinds());
  Random random(5);
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t device = random.next() % 1'000'000;
    const auto ts =
        static_cast<std::int64_t>(1'000'000'000'000 + random.next() % 9'000'000'000'000);
    const std::string text = text_of(payload, device, ts);
    CAPTURE(text);
    REQUIRE(text.size() <= payload.bytes_max());
    const auto json = nlohmann::json::parse(text);
    REQUIRE(text.rfind("{\"ts\":", 0) == 0);
    REQUIRE(json.at("ts") == ts);
    REQUIRE(json.size() == 6);
    REQUIRE(json.at("air").size() == 2);
    REQUIRE(json.at("a").at("b").at("firm\"ware") == "1.4.2");
    REQUIRE(json.at("mode").is_string());
    REQUIRE(payload.hash(device, ts) == values_hash(text, "ts").value());
  }
}

TEST_CASE("the same seed, device and time give the same bytes; another of each gives others") {
  const SensorPayload payload = payload_of(all_kinds());
  const SensorPayload again = payload_of(all_kinds());
  const SensorPayload other = payload_of(all_kinds(), 2);
  int equal_devices = 0, equal_times = 0, equal_seeds = 0;
  for (int i = 0; i < 500; ++i) {
    const std::int64_t ts = kNow + i * 977;
    const auto body = [](const std::string& text) { return text.substr(19); };
    const std::string text = text_of(payload, 7, ts);
    REQUIRE(text == text_of(again, 7, ts));
    equal_devices += body(text) == body(text_of(payload, 8, ts)) ? 1 : 0;
    equal_times += body(text) == body(text_of(payload, 7, ts + 5000)) ? 1 : 0;
    equal_seeds += body(text) == body(text_of(other, 7, ts)) ? 1 : 0;
  }
  CHECK(equal_devices == 0);
  CHECK(equal_times < 5);
  CHECK(equal_seeds == 0);
}

TEST_CASE("a payload is appended behind what is there") {
  const SensorPayload payload = payload_of({number("v")});
  std::string out = "before";
  payload.append(out, 1, kNow);
  CHECK(out == "before" + text_of(payload, 1, kNow));
  CHECK(out == "before{\"ts\":1700000000000,\"v\":0.00}");
}

TEST_CASE("noise has its mean and deviation, and a normal's tails") {
  SensorModel model = number("v");
  model.mean = -3;
  model.noise = 2;
  model.decimals = 6;
  const SensorPayload payload = payload_of({model});
  constexpr int kCount = 100'000;
  double sum = 0, squares = 0;
  int beyond_two = 0;
  for (int i = 0; i < kCount; ++i) {
    const double value = json_of(payload, static_cast<std::uint64_t>(i % 100), kNow + i * 13)["v"];
    sum += value;
    squares += (value + 3) * (value + 3);
    beyond_two += std::abs(value + 3) > 4 ? 1 : 0;
  }
  CHECK(sum / kCount == doctest::Approx(-3).epsilon(0.01));
  CHECK(std::sqrt(squares / kCount) == doctest::Approx(2).epsilon(0.01));
  CHECK(static_cast<double>(beyond_two) / kCount == doctest::Approx(0.0455).epsilon(0.06));
}

TEST_CASE("values stay within min and max, however many decimals they have") {
  for (const int decimals : {0, 1, 2, 9}) {
    SensorModel model = number("v");
    model.noise = 1e6;
    model.min = -0.29;
    model.max = 1.005;
    model.decimals = decimals;
    const SensorPayload payload = payload_of({model});
    double least = 10, most = -10;
    for (int i = 0; i < 1000; ++i) {
      const double value = json_of(payload, 1, kNow + i)["v"];
      least = std::min(least, value);
      most = std::max(most, value);
    }
    CAPTURE(decimals);
    CHECK(least >= -0.29);
    CHECK(most <= 1.005);
    CHECK(most >= 1); // Both ends are reached.
    CHECK(least <= 0);
    if (decimals == 2) {
      CHECK(least == -0.29);
    }
  }
}

TEST_CASE("a value too large for its decimals ends at the largest, never beyond") {
  SensorModel model = number("v");
  model.mean = 1e15;
  model.noise = 1e15;
  model.decimals = 9;
  const SensorPayload payload = payload_of({model});
  for (int i = 0; i < 1000; ++i) {
    const std::string text = text_of(payload, 1, kNow + i);
    CHECK(std::abs(nlohmann::json::parse(text)["v"].get<double>()) <= 9.000000001e9);
  }
}

TEST_CASE("counters never fall, and grow at their pace") {
  SensorModel model = typed("n", SensorModel::Type::counter);
  model.per_s = 12.5;
  model.decimals = 1;
  const SensorPayload payload = payload_of({model});
  Random random(3);
  double last = 0, total = 0;
  for (std::uint64_t device = 0; device < 200; ++device) {
    last = -1;
    double first = 0;
    std::int64_t ts = kNow;
    for (int i = 0; i < 100; ++i) {
      const double value = json_of(payload, device, ts)["n"];
      REQUIRE(value >= last);
      first = i == 0 ? value : first;
      last = value;
      ts += static_cast<std::int64_t>(random.next() % 20'000);
    }
    total += (last - first) / (static_cast<double>(ts - kNow) / 1000);
  }
  CHECK(total / 200 == doctest::Approx(12.5).epsilon(0.05));
  CHECK(json_of(payload, 1, 1'000'000'000'000)["n"] == 0); // Before there were any.
}

TEST_CASE("a stuck device repeats one value for the share of the time that was asked for") {
  SensorModel model = number("v");
  model.noise = 100;
  model.decimals = 6;
  model.stuck_share = 0.25;
  model.stuck_ms = 60'000;
  const SensorPayload payload = payload_of({model});
  int repeated = 0, count = 0, run = 0, longest = 0;
  for (std::uint64_t device = 0; device < 100; ++device) {
    double last = std::numeric_limits<double>::infinity();
    for (std::int64_t ts = kNow; ts < kNow + 3'600'000; ts += 10'000) {
      const double value = json_of(payload, device, ts)["v"];
      const bool same = value == last;
      repeated += same ? 1 : 0;
      run = same ? run + 1 : 0;
      longest = std::max(longest, run);
      ++count;
      last = value;
    }
  }
  // Of six times in a window, five repeat the one before (more where windows follow each other).
  const double share = static_cast<double>(repeated) / count;
  CHECK(share == doctest::Approx(0.25 * 5 / 6).epsilon(0.1));
  CHECK(longest >= 5);
}

TEST_CASE("steps are held, waves come back, and drift ends with the calibration") {
  SensorModel step = number("step");
  step.step = 10;
  step.hold_ms = 1000;
  SensorModel wave = number("wave");
  wave.amplitude = 5;
  wave.period_ms = 1000;
  SensorModel drift = number("drift");
  drift.drift_per_h = 1;
  const SensorPayload payload = payload_of({step, wave, drift});
  std::set<double> levels;
  int changes = 0;
  double last = 100;
  for (std::int64_t ts = kNow; ts < kNow + 100'000; ts += 100) {
    const auto json = json_of(payload, 4, ts);
    const double level = json["step"];
    CHECK(std::abs(level) <= 10);
    levels.insert(level);
    changes += level != last ? 1 : 0;
    last = level;
    CHECK(json["wave"].get<double>() ==
          doctest::Approx(5 * std::sin(static_cast<double>(ts % 1000) / 1000 * 6.283185307))
              .epsilon(0.02));
  }
  CHECK(levels.size() > 80);
  CHECK(changes <= 101);
  double most = 0;
  for (int h = 0; h < 24 * 14; ++h) {
    const double now = json_of(payload, 4, kNow + h * 3'600'000LL)["drift"];
    const double later = json_of(payload, 4, kNow + h * 3'600'000LL + 1'800'000)["drift"];
    CHECK((later == doctest::Approx(now + 0.5).epsilon(0.02) || later < 1));
    most = std::max(most, now);
  }
  CHECK(most > 160);
  CHECK(most <= 168);
}

TEST_CASE("devices differ by the spread, flags and choices by their shares") {
  SensorModel spread = number("v");
  spread.spread = 5;
  SensorModel flag = typed("on", SensorModel::Type::flag);
  flag.on_share = 0.2;
  SensorModel choice = typed("c", SensorModel::Type::choice);
  choice.values = {"a", "b", "c", "d"};
  const SensorPayload payload = payload_of({spread, flag, choice});
  double least = 100, most = -100;
  int on = 0;
  std::map<std::string, int> chosen;
  for (std::uint64_t device = 0; device < 10'000; ++device) {
    const auto json = json_of(payload, device, kNow);
    CHECK(json["v"] == json_of(payload, device, kNow + 1'000'000)["v"]);
    least = std::min(least, json["v"].get<double>());
    most = std::max(most, json["v"].get<double>());
    on += json["on"].get<bool>() ? 1 : 0;
    ++chosen[json["c"].get<std::string>()];
  }
  CHECK(least >= -5);
  CHECK(least < -4.9);
  CHECK(most <= 5);
  CHECK(most > 4.9);
  CHECK(on == doctest::Approx(2000).epsilon(0.06));
  CHECK(chosen.size() == 4);
  for (const auto& [value, count] : chosen) {
    CHECK(count == doctest::Approx(2500).epsilon(0.06));
  }
}

TEST_CASE("a model that can not be measured is refused with what is wrong") {
  const auto fault = [](auto change) {
    SensorModel model = number("v");
    change(model);
    return sensor_fault(model);
  };
  CHECK(fault([](SensorModel&) {}).empty());
  CHECK(fault([](SensorModel& m) { m.field = ""; }) == "the name of a field is empty");
  CHECK_FALSE(fault([](SensorModel& m) { m.field = "a..b"; }).empty());
  CHECK_FALSE(fault([](SensorModel& m) { m.field = "ts"; }).empty());
  CHECK(fault([](SensorModel& m) { m.field = "a.ts"; }).empty());
  CHECK_FALSE(fault([](SensorModel& m) { m.field = "\xff"; }).empty());
  CHECK_FALSE(fault([](SensorModel& m) { m.field = std::string(257, 'x'); }).empty());
  CHECK(fault([](SensorModel& m) { m.noise = -1; }) == "noise is below 0");
  CHECK_FALSE(fault([](SensorModel& m) { m.mean = std::nan(""); }).empty());
  CHECK_FALSE(fault([](SensorModel& m) { m.max = 1e16; }).empty());
  CHECK(fault([](SensorModel& m) { m.min = 1, m.max = 0; }) == "min is above max");
  CHECK_FALSE(fault([](SensorModel& m) { m.min = 0.1, m.max = 0.9, m.decimals = 0; }).empty());
  CHECK_FALSE(fault([](SensorModel& m) { m.decimals = 10; }).empty());
  CHECK_FALSE(fault([](SensorModel& m) { m.hold_ms = 0; }).empty());
  CHECK_FALSE(fault([](SensorModel& m) { m.period_ms = 0; }).empty());
  CHECK_FALSE(fault([](SensorModel& m) { m.stuck_share = 1.5; }).empty());
  CHECK_FALSE(fault([](SensorModel& m) { m.type = SensorModel::Type::choice; }).empty());
  CHECK_FALSE(
      fault([](SensorModel& m) { m.type = SensorModel::Type::counter, m.per_s = 1e7; }).empty());

  CHECK_FALSE(SensorPayload::make({}, 1));
  CHECK_FALSE(SensorPayload::make({number("a"), number("a")}, 1));
  CHECK_FALSE(SensorPayload::make({number("a"), number("a.b")}, 1));
  CHECK_FALSE(SensorPayload::make({number("a.b"), number("a")}, 1));
  CHECK_FALSE(SensorPayload::make(std::vector<SensorModel>(257, number("a")), 1));
}
