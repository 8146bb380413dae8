// The keys of a scenario file, but for those of cohorts.
#include "loadgen/scenario/keys.hpp"

#include "loadgen/scenario/bind.hpp"

namespace spate::loadgen {

namespace {

using namespace bind;

constexpr std::string_view kSensorTypes[] = {"number", "counter", "flag", "choice", "text"};
constexpr std::string_view kFaultKinds[] = {
    "reconnect_storm", "slow_reader", "half_open",    "silent_cut", "credential_expiry",
    "clock_skew",      "duplicates",  "out_of_order", "malformed",  "oversized"};
constexpr std::string_view kArrivals[] = {"fixed", "poisson"};
constexpr std::int64_t kMs = 1'000'000, kSecondNs = 1'000'000'000;

struct Load {
  static KeyValue get(const void* object) {
    const auto& stage = *static_cast<const Stage*>(object);
    return LevelRange(stage.from, stage.to);
  }
  static void set(void* object, KeyValue value) {
    auto& stage = *static_cast<Stage*>(object);
    std::tie(stage.from, stage.to) = std::get<LevelRange>(value);
  }
};

/// A bool that reads as a choice of two.
template <auto Member>
struct Second {
  static KeyValue get(const void* object) {
    return std::int64_t{std::get<bool>(Plain<Member>::get(object)) ? 1 : 0};
  }
  static void set(void* object, KeyValue value) {
    Plain<Member>::set(object, std::get<std::int64_t>(value) == 1);
  }
};

} // namespace

std::vector<std::string_view> KeyTable::names() const {
  std::vector<std::string_view> all;
  for (const Key& key : keys) {
    all.push_back(key.name);
  }
  for (const Section& section : sections) {
    all.push_back(section.name);
  }
  return all;
}

const KeyTable& field_keys() {
  using M = SensorModel;
  static constexpr Key kKeys[] = {
      required(choice<Plain<&M::type>>("type", "what it measures", kSensorTypes)),
      number<Plain<&M::mean>>("mean", "number: around this", -kSensorValueMax, kSensorValueMax),
      number<Plain<&M::spread>>("spread", "number: devices differ by up to this", 0,
                                kSensorValueMax),
      number<Plain<&M::amplitude>>("amplitude", "number: of a sine wave", -kSensorValueMax,
                                   kSensorValueMax),
      duration<Plain<&M::period_ms, kMs>>("period", "number: of that wave", kMs),
      number<Plain<&M::drift_per_h>>("drift_per_h",
                                     "number: in an hour; each week a device is calibrated",
                                     -kSensorValueMax, kSensorValueMax),
      number<Plain<&M::noise>>("noise", "number: standard deviation of a normal noise", 0,
                               kSensorValueMax),
      number<Plain<&M::step>>("step", "number: jumps to another level within +- this", 0,
                              kSensorValueMax),
      duration<Plain<&M::hold_ms, kMs>>("hold", "number, flag, choice: how long a level is held",
                                        kMs),
      number<Plain<&M::stuck_share>>("stuck_share",
                                     "number: part of the time in which one value repeats", 0, 1),
      duration<Plain<&M::stuck_ms, kMs>>("stuck_for", "number: how long it repeats", kMs),
      number<Plain<&M::min>>("min", "number: never below", -kSensorValueMax, kSensorValueMax),
      number<Plain<&M::max>>("max", "number: never above", -kSensorValueMax, kSensorValueMax),
      integer<Plain<&M::decimals>>("decimals", "number, counter: digits behind the point", 0,
                                   kSensorDecimalsMax),
      number<Plain<&M::per_s>>("per_s",
                               "counter: grows by this in a second; devices differ by a "
                               "fifth",
                               0, 1e6),
      number<Plain<&M::on_share>>("on_share", "flag: part of the time in which it is true", 0, 1),
      texts<Plain<&M::values>>("values", "choice: one of these; text: the one")};
  static const SensorModel kDefaults;
  static const KeyTable kTable{"field", kKeys, {}, &kDefaults};
  return kTable;
}

const KeyTable& payload_keys() {
  static constexpr Section kSections[] = {section<List<&NamedModels::fields>>(
      "fields", Section::Kind::fields,
      "What a message holds beside its time: `temp = {...}`, within objects `air.temp = {...}`.",
      &field_keys, kSensorFieldsMax)};
  static const NamedModels kDefaults;
  static const KeyTable kTable{"payload", {}, kSections, &kDefaults};
  return kTable;
}

const KeyTable& stage_keys() {
  static constexpr Key kKeys[] = {
      text<Plain<&Stage::name>>("name", "what progress and reports call it"),
      required(
          duration<Plain<&Stage::duration_ns>>("duration", "how long it lasts", 1, 90 * 86'400e9)),
      {"load", KeyType::level, "the rate of open loops is multiplied by this, or goes [from, to]",
       &Load::get, &Load::set, 0, 1000},
      boolean<Plain<&Stage::measured>>(
          "measure", "false is a warm-up: only at the begin, and not in the figures"),
      texts<Plain<&Stage::cohorts>>("cohorts", "those that send; the others rest. All if empty")};
  static const Stage kDefaults;
  static const KeyTable kTable{"stage", kKeys, {}, &kDefaults};
  return kTable;
}

const KeyTable& fault_keys() {
  static constexpr Key kKeys[] = {
      required(choice<Plain<&Fault::kind>>("kind", "what goes wrong", kFaultKinds)),
      required(duration<Plain<&Fault::at_ns>>("at", "when, after the begin of the load")),
      duration<Plain<&Fault::duration_ns>>("for", "how long; 0s is until the end"),
      text<Plain<&Fault::cohort>>("cohort", "which; all if empty"),
      number<Plain<&Fault::share>>("share", "of the devices, or of the messages; above 0", 0, 1),
      duration<Plain<&Fault::by_ns>>(
          "by",
          "clock_skew: device times are so much later (or with - before it earlier); "
          "out_of_order: up to so much earlier",
          kMs, kDurationMost, -kDurationMost),
      duration<Plain<&Fault::back_within_ns>>("back_within",
                                              "reconnect_storm: all come back within this time; "
                                              "silent_cut, credential_expiry: after it"),
      integer<Plain<&Fault::count>>("count", "half_open: connections", 0, 1'000'000),
      integer<Plain<&Fault::bytes>>("bytes", "oversized: of a payload", 0, 64 << 20),
      integer<Plain<&Fault::bytes_per_s>>("bytes_per_s", "slow_reader: what a device reads", 0,
                                          1e9)};
  static const Fault kDefaults;
  static const KeyTable kTable{"fault", kKeys, {}, &kDefaults};
  return kTable;
}

const KeyTable& command_keys() {
  using C = CommandTraffic;
  static constexpr Key kKeys[] = {
      required(text<Plain<&C::cohort>>("cohort", "whose devices get them; it has "
                                                 "[cohort.commands]")),
      required(number<Plain<&C::rate>>("rate", "commands a second", 1e-6, 1e6)),
      choice<Second<&C::poisson>>("arrival", "as in a cohort", kArrivals),
      text<Plain<&C::name>>("name", "of the command"),
      text<Plain<&C::args>>("args", "its arguments, as JSON"),
      text<Plain<&C::priority>>("priority", "not named if empty"),
      text<Plain<&C::http>>("http", "HOST:PORT of the API"),
      duration<Plain<&C::wait_s, kSecondNs>>("wait", "how long a request waits for the answer",
                                             kSecondNs, 60e9, 1e9),
      duration<Plain<&C::ttl_ns>>("ttl", "how long a command is valid; 0s is as long as the wait",
                                  kMs),
      integer<Plain<&C::connections>>("connections", "of HTTP, open from the start", 1, 60'000),
      integer<Plain<&C::connections_max>>("connections_max", "of HTTP, at most", 1, 60'000)};
  static const CommandTraffic kDefaults;
  static const KeyTable kTable{"commands", kKeys, {}, &kDefaults};
  return kTable;
}

const KeyTable& scenario_keys() {
  using S = Scenario;
  static constexpr Key kKeys[] = {
      text<Plain<&S::name>>("name", "what reports call it; without it the file's name"),
      text<Plain<&S::about>>("about", "one sentence: what it shows"),
      text<Plain<&S::target>>(
          "target",
          "mqtt://HOST:PORT or mqtts://HOST:PORT, several by commas for --agents; --target goes "
          "before"),
      integer<Plain<&S::seed>>("seed", "the same seed repeats a run", 0, 9e15),
      duration<Plain<&S::drain_ns>>("drain", "how long missing answers are waited for at the end"),
      duration<Plain<&S::connect_timeout_ns>>("connect_timeout", "how long a connection may take",
                                              1, kDurationMost, 1),
      texts<Plain<&S::objectives>>("objectives",
                                   "what must hold, such as \"ack_p99<50ms\" or \"lost==0\"")};
  static constexpr Section kSections[] = {
      section<List<&S::cohorts>>("cohort", Section::Kind::list, "Devices that are alike.",
                                 &cohort_keys, 1000),
      section<List<&S::payloads>>("payload", Section::Kind::named, "Simulated sensors.",
                                  &payload_keys, 1000),
      section<List<&S::stages>>("stage", Section::Kind::list,
                                "The run from begin to end, stretch by stretch.", &stage_keys,
                                10'000),
      section<List<&S::faults>>("fault", Section::Kind::list, "What goes wrong on purpose.",
                                &fault_keys, 1000),
      section<Maybe<&S::commands>>("commands", Section::Kind::one,
                                   "Commands that are posted over HTTP.", &command_keys)};
  static const Scenario kDefaults;
  static const KeyTable kTable{"scenario", kKeys, kSections, &kDefaults};
  return kTable;
}

std::string_view name_of(Fault::Kind kind) noexcept {
  return kFaultKinds[static_cast<std::size_t>(kind)];
}

} // namespace spate::loadgen
