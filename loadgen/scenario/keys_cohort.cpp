// The keys of [[cohort]] and what belongs to it.
#include <algorithm>
#include <cmath>

#include "loadgen/scenario/bind.hpp"

namespace spate::loadgen {

namespace {

using namespace bind;

constexpr std::string_view kArrivals[] = {"fixed", "poisson"};
constexpr std::string_view kForms[] = {"flat", "record"};
constexpr std::int64_t kMs = 1'000'000, kSecondNs = 1'000'000'000;

struct Every {
  static KeyValue get(const void* object) {
    const Pace& pace = static_cast<const Cohort*>(object)->pace;
    return pace.kind == Pace::Kind::every ? pace.every_ns : std::int64_t{0};
  }
  static void set(void* object, KeyValue value) {
    Pace& pace = static_cast<Cohort*>(object)->pace;
    pace.kind = Pace::Kind::every;
    pace.every_ns = std::get<std::int64_t>(value);
  }
};

/// Only read: a scenario keeps how often each device speaks.
struct Rate {
  static KeyValue get(const void*) { return 0.0; }
  static void set(void* object, KeyValue value) {
    auto& cohort = *static_cast<Cohort*>(object);
    cohort.pace.kind = Pace::Kind::every; // `devices` stands above it in the table.
    cohort.pace.every_ns =
        std::llround(std::min(cohort.devices * 1e9 / std::get<double>(value), kDurationMost));
  }
};

template <Pace::Kind Kind>
struct Is {
  static KeyValue get(const void* object) {
    return Kind != Pace::Kind::idle && static_cast<const Cohort*>(object)->pace.kind == Kind;
  }
  static void set(void* object, KeyValue value) {
    if (std::get<bool>(value)) {
      static_cast<Cohort*>(object)->pace.kind = Kind;
    }
  }
};
/// A cohort that says nothing of its pace is not idle but wrong, so that idle is always written.
struct Idle : Is<Pace::Kind::idle> {
  static KeyValue get(const void* object) {
    const auto& cohort = *static_cast<const Cohort*>(object);
    return cohort.pace.kind == Pace::Kind::idle && cohort.devices > 0;
  }
};

template <auto Member>
struct PaceSection {
  static void* add(void* parent) { return &static_cast<Cohort*>(parent)->pace; }
  static std::size_t count(const void* parent) {
    return static_cast<const Cohort*>(parent)->pace.*Member != 0 ? 1 : 0;
  }
  static const void* at(const void* parent, std::size_t) {
    return &static_cast<const Cohort*>(parent)->pace;
  }
};

struct Replay : Maybe<&Cohort::replay> {
  static void* add(void* parent) {
    static_cast<Cohort*>(parent)->pace.kind = Pace::Kind::recorded;
    return Maybe<&Cohort::replay>::add(parent);
  }
};

struct Answers {
  static void* add(void* parent) {
    static_cast<Cohort*>(parent)->answer_after_ns = 0;
    return parent;
  }
  static std::size_t count(const void* parent) {
    return static_cast<const Cohort*>(parent)->answer_after_ns >= 0 ? 1 : 0;
  }
  static const void* at(const void* parent, std::size_t) { return parent; }
};

const KeyTable& herd_keys() {
  static constexpr Key kKeys[] = {required(duration<Plain<&Pace::herd_spread_ns>>(
      "spread", "all devices send within this time at the begin of each `every`"))};
  static const Pace kDefaults;
  static const KeyTable kTable{"cohort.herd", kKeys, {}, &kDefaults};
  return kTable;
}

const KeyTable& diurnal_keys() {
  static constexpr Key kKeys[] = {
      required(duration<Plain<&Pace::diurnal_period_ns>>("period", "length of a day")),
      number<Plain<&Pace::diurnal_low>>("low", "the lowest rate, as a part of the highest", 0, 1),
      duration<Plain<&Pace::diurnal_peak_ns>>("peak_at", "when in the day the rate is highest")};
  static const Pace kDefaults;
  static const KeyTable kTable{"cohort.diurnal", kKeys, {}, &kDefaults};
  return kTable;
}

const KeyTable& tls_keys() {
  static constexpr Key kKeys[] = {
      text<Plain<&TlsPlan::ca>>("ca", "PEM file of who may sign the server's certificate; without "
                                      "it those that the system trusts"),
      text<Plain<&TlsPlan::certificate>>(
          "certificate", "PEM file of the client's certificate; {device} as in user"),
      text<Plain<&TlsPlan::key>>("key", "PEM file of its key"),
      text<Plain<&TlsPlan::server_name>>("server_name",
                                         "the name that the server's certificate must have; "
                                         "without it the host of the target"),
      boolean<Plain<&TlsPlan::verify>>("verify", "false takes any certificate of a server")};
  static const TlsPlan kDefaults;
  static const KeyTable kTable{"cohort.tls", kKeys, {}, &kDefaults};
  return kTable;
}

const KeyTable& replay_keys() {
  static constexpr Key kKeys[] = {
      required(text<Plain<&ReplaySource::file>>(
          "file", R"(NDJSON or .gz, lines {"d":device,"t":epoch ms,"p":{...}})")),
      number<Plain<&ReplaySource::speed>>(
          "speed", "times faster than recorded; 0 is as fast as possible", 0, 1e9),
      boolean<Plain<&ReplaySource::loop>>("loop", "begin again at the end, with later times"),
      boolean<Plain<&ReplaySource::shift_to_now>>("shift_to_now",
                                                  "device times become those of the run"),
      choice<Plain<&ReplaySource::form>>(
          "form", R"(flat sends {"ts":..,fields}, record {"ts":..,"values":{..}})", kForms)};
  static const ReplaySource kDefaults;
  static const KeyTable kTable{"cohort.replay", kKeys, {}, &kDefaults};
  return kTable;
}

const KeyTable& answer_keys() {
  static constexpr Key kKeys[] = {
      duration<Plain<&Cohort::answer_after_ns>>("answer_after",
                                                "how long a device takes to answer a command"),
      duration<Plain<&Cohort::answer_jitter_ns>>("answer_jitter", "up to this is added to it")};
  static const Cohort kDefaults = [] {
    Cohort cohort;
    cohort.answer_after_ns = 0;
    return cohort;
  }();
  static const KeyTable kTable{"cohort.commands", kKeys, {}, &kDefaults};
  return kTable;
}

} // namespace

const KeyTable& cohort_keys() {
  static constexpr Key kKeys[] = {
      text<Plain<&Cohort::name>>("name", "what reports and faults call it"),
      integer<Plain<&Cohort::devices>>("devices", "how many; with a recording it says so", 1,
                                       10'000'000),
      text<Plain<&Cohort::device>>("device", "names of the devices: {n} is the number, {cohort} "
                                             "the cohort's name, {recorded} a recording's name"),
      integer<Plain<&Cohort::first>>("first", "the number of the first device", 0, 1e15),
      text<Plain<&Cohort::client_id>>("client_id",
                                      "MQTT client identifier; {device} stands for the device"),
      text<Plain<&Cohort::user>>("user", "{device} stands for the device, or for a gateway's "
                                         "client_id; none if empty"),
      text<Plain<&Cohort::password>>("password", "{device} as in user; none if empty"),
      text<Plain<&Cohort::topic>>("topic", "where telemetry goes; {device} stands for the device"),
      integer<Plain<&Cohort::mqtt>>("mqtt", "5, or 3 for MQTT 3.1.1", 3, 5),
      integer<Plain<&Cohort::qos>>("qos", "of telemetry", 0, 2),
      boolean<Plain<&Cohort::clean>>("clean", "the server forgets the session of a device that "
                                              "goes"),
      boolean<Plain<&Cohort::reconnect>>("reconnect", "a device that lost its connection comes "
                                                      "back"),
      duration<Plain<&Cohort::keep_alive_s, kSecondNs>>("keep_alive", "MQTT keep-alive; 0s is none",
                                                        kSecondNs, 65'535e9),
      integer<Plain<&Cohort::window>>(
          "window", "messages of a connection that may be unanswered; 0 chooses by pace", 0,
          32'768),
      integer<Plain<&Cohort::devices_per_connection>>(
          "devices_per_connection", "above 1: gateways carry the devices", 1, 10'000'000),
      number<Plain<&Cohort::connects_per_s>>(
          "connects_per_s", "connections opened a second; 0 is as fast as the server answers", 0,
          1e9),
      duration<Every>("every", "each device sends once in this time (open loop)"),
      number<Rate>("rate", "or: messages a second of the whole cohort", 1e-6, 1e9),
      boolean<Is<Pace::Kind::flood>>("flood", "or: as fast as messages are answered (closed loop)"),
      boolean<Idle>("idle", "or: connections only"),
      choice<OfPace<&Pace::arrival>>("arrival",
                                     "fixed is evenly, poisson at random like devices "
                                     "that know nothing of each other",
                                     kArrivals),
      integer<Plain<&Cohort::messages>>("messages", "sent in all at most; 0 is no limit", 0, 1e15),
      text<Plain<&Cohort::payload>>("payload",
                                    "a [payload.NAME], env, small, a size in bytes (\"4k\"), or "
                                    "a file of JSON lines"),
      text<Plain<&Cohort::subscribe>>("subscribe",
                                      "a topic filter; what comes is counted. {device} as in user"),
      integer<Plain<&Cohort::subscribe_qos>>("subscribe_qos", "of that subscription", 0, 2)};
  static constexpr Section kSections[] = {
      section<PaceSection<&Pace::herd_spread_ns>>("herd", Section::Kind::one,
                                                  "All devices at once.", &herd_keys),
      section<PaceSection<&Pace::diurnal_period_ns>>("diurnal", Section::Kind::one,
                                                     "A day's wave over the rate.", &diurnal_keys),
      section<Replay>("replay", Section::Kind::one, "Or: a recording.", &replay_keys),
      section<Maybe<&Cohort::tls>>("tls", Section::Kind::one, "TLS of the connections.", &tls_keys),
      section<Answers>("commands", Section::Kind::one, "The devices take commands and answer.",
                       &answer_keys)};
  static const Cohort kDefaults;
  static const KeyTable kTable{"cohort", kKeys, kSections, &kDefaults};
  return kTable;
}

} // namespace spate::loadgen
