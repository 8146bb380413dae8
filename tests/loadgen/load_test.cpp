#include "loadgen/load/load.hpp"

#include <map>
#include <set>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "loadgen/base/json_text.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

constexpr std::int64_t kWallMs = 1'700'000'000'000;
constexpr std::int64_t kSecond = 1'000'000'000;
using Kind = MessageFaultPlan::Kind;

SensorPayload sensors() {
  SensorModel model;
  model.field = "v";
  model.noise = 1;
  return SensorPayload::make({model}, 1).value();
}

struct Sent {
  std::uint32_t device;
  Message message;
  std::string text;
};

/// What a cohort of `devices` sends in `seconds`, on all its threads.
std::vector<Sent> sent(const GeneratedPlan& plan, const PayloadSource& source, std::int64_t seconds,
                       std::uint32_t devices = 10, std::uint32_t threads = 1) {
  const DeviceNames names("d{n}", 0, devices);
  std::vector<Sent> all;
  for (std::uint32_t thread = 0; thread < threads; ++thread) {
    const std::uint32_t mine = (devices - thread - 1) / threads + 1;
    const DeviceShare share{&names, &names, mine, 1, thread, threads};
    GeneratedLoad load(plan, share, source);
    load.begin(0);
    load.stop_at(seconds * kSecond);
    std::uint64_t left = load.left();
    while (load.next_ns() != Load::kNever) {
      const std::int64_t now_ns = load.next_ns();
      const Due due = load.take(now_ns, kWallMs + now_ns / 1'000'000);
      all.push_back({share.number(due.connection), due.message,
                     std::string(load.payloads().text(due.message))});
      REQUIRE(load.left() + 1 >= left);
      left = load.left();
    }
    REQUIRE(load.ended());
    REQUIRE(left == 0);
  }
  return all;
}

GeneratedPlan at_rate(double rate) {
  GeneratedPlan plan;
  plan.curve = std::make_shared<const RateCurve>(RateCurve::constant(rate));
  return plan;
}

GeneratedPlan with_fault(MessageFaultPlan fault, double rate = 1000) {
  GeneratedPlan plan = at_rate(rate);
  if (fault.end_ns == 0) {
    fault.end_ns = Load::kNever;
  }
  plan.faults.push_back(fault);
  return plan;
}

} // namespace

TEST_CASE("threads share rate and count: together they send what one sends") {
  const SensorPayload payload = sensors();
  for (const std::uint32_t threads : {1u, 3u, 4u}) {
    const auto all = sent(at_rate(100), payload, 2, 10, threads);
    CHECK(all.size() == 200);
    std::map<std::uint32_t, int> by_device;
    std::set<std::int64_t> times;
    for (const Sent& one : all) {
      ++by_device[one.device];
      times.insert(one.message.intended_ns);
    }
    CHECK(times.size() == 200);
    CHECK(by_device.size() == 10);
    for (const auto& [device, count] : by_device) {
      CHECK(count == 20);
    }
    GeneratedPlan counted = at_rate(100);
    counted.count_max = 37;
    CHECK(sent(counted, payload, 2, 10, threads).size() == 37);
  }
}

TEST_CASE("a payload of sensors is its device's own, and the same when it is asked for again") {
  const SensorPayload payload = sensors();
  for (const Sent& one : sent(at_rate(100), payload, 1, 10, 3)) {
    std::string wanted;
    payload.append(wanted, one.device, one.message.ts);
    REQUIRE(one.text == wanted);
  }
}

TEST_CASE("a load ends with its curve, whenever it would be stopped") {
  const SensorPayload payload = sensors();
  GeneratedPlan plan;
  RatePattern pattern;
  pattern.devices = 10;
  pattern.every_ns = kSecond;
  const RateLevel levels[] = {{kSecond, 1, 1}, {kSecond, 0, 0}};
  plan.curve = std::make_shared<const RateCurve>(RateCurve::of(pattern, levels).value());
  CHECK(sent(plan, payload, 100).size() == 10);
}

TEST_CASE("a fault strikes its share, in its time, the same messages with the same seed") {
  const SensorPayload payload = sensors();
  MessageFaultPlan fault;
  fault.kind = Kind::malformed;
  fault.share = 0.1;
  fault.begin_ns = 2 * kSecond;
  fault.end_ns = 7 * kSecond;
  const auto struck = [&](std::uint64_t seed, std::uint32_t threads) {
    GeneratedPlan plan = with_fault(fault);
    plan.seed = seed;
    std::set<std::int64_t> when;
    for (const Sent& one : sent(plan, payload, 10, 10, threads)) {
      if (one.message.fault == MessageFault::malformed) {
        CHECK(one.message.intended_ns >= fault.begin_ns);
        CHECK(one.message.intended_ns < fault.end_ns);
        CHECK_FALSE(nlohmann::json::accept(one.text));
        when.insert(one.message.intended_ns);
      } else {
        REQUIRE(nlohmann::json::accept(one.text));
      }
    }
    return when;
  };
  const auto first = struck(1, 1);
  CHECK(first.size() == doctest::Approx(500).epsilon(0.15));
  CHECK(struck(1, 1) == first);
  CHECK(struck(1, 3) == first); // However many threads there are.
  CHECK(struck(2, 1) != first);
}

TEST_CASE("an oversized payload has the bytes that were asked for, and is JSON") {
  const auto templates = load_templates("env", 1).value();
  MessageFaultPlan fault;
  fault.kind = Kind::oversized;
  fault.bytes = 5000;
  for (const Sent& one : sent(with_fault(fault), templates, 1)) {
    REQUIRE(one.message.fault == MessageFault::oversized);
    REQUIRE(one.text.size() == 5000);
    REQUIRE(nlohmann::json::accept(one.text));
  }
}

TEST_CASE("a duplicate is the same message again, and counts as one of the schedule") {
  const SensorPayload payload = sensors();
  MessageFaultPlan fault;
  fault.kind = Kind::duplicates;
  fault.share = 0.5;
  const auto all = sent(with_fault(fault), payload, 1);
  std::map<std::pair<std::uint32_t, std::int64_t>, int> times;
  std::map<std::pair<std::uint32_t, std::int64_t>, std::string> texts;
  for (const Sent& one : all) {
    const auto key = std::pair(one.device, one.message.ts);
    ++times[key];
    const auto [at, fresh] = texts.emplace(key, one.text);
    REQUIRE((fresh || at->second == one.text));
  }
  CHECK(times.size() == 1000);
  CHECK(all.size() == doctest::Approx(1500).epsilon(0.06));
}

TEST_CASE("skewed and disordered times never meet another message's") {
  const SensorPayload payload = sensors();
  GeneratedPlan plan = at_rate(1000);
  for (const std::int64_t by_ms : {-3000, 250, 7, 86'400'000}) {
    MessageFaultPlan fault;
    fault.kind = by_ms == 250 || by_ms == 7 ? Kind::out_of_order : Kind::clock_skew;
    fault.end_ns = Load::kNever;
    fault.share = 0.3;
    fault.by_ms = by_ms;
    plan.faults.push_back(fault);
  }
  const auto all = sent(plan, payload, 20);
  std::set<std::pair<std::uint32_t, std::int64_t>> records;
  std::map<std::uint32_t, std::int64_t> last;
  int earlier = 0, skewed = 0;
  for (const Sent& one : all) {
    REQUIRE(records.emplace(one.device, one.message.ts).second);
    REQUIRE(nlohmann::json::parse(one.text).at("ts") == one.message.ts);
    skewed += one.message.ts > kWallMs + 80'000'000 ? 1 : 0;
    earlier += one.message.ts < last[one.device] ? 1 : 0;
    last[one.device] = one.message.ts;
  }
  CHECK(all.size() == 20'000);
  CHECK(skewed > 1000);
  CHECK(earlier > 5000);
}
