// What must hold within a cohort.
#include <algorithm>
#include <initializer_list>

#include "engine/base/nearest.hpp"
#include "engine/base/utf8.hpp"
#include "engine/model/device_id.hpp"
#include "engine/wire/codec.hpp"
#include "loadgen/base/texts.hpp"
#include "loadgen/base/units.hpp"
#include "loadgen/load/device_names.hpp"
#include "loadgen/load/payload.hpp"
#include "loadgen/scenario/cohort_load.hpp"
#include "loadgen/scenario/rules.hpp"

namespace spate::loadgen {

namespace {

constexpr std::size_t kNumberBytesMax = 20;
constexpr std::size_t kCohortNameBytesMax = 64;

/// Complains of a {word} that is none of `known`.
void check_places(const std::string& text, std::initializer_list<std::string_view> known,
                  const std::string& path, Problems& problems) {
  for (std::size_t open = text.find('{'); open != std::string::npos;
       open = text.find('{', open + 1)) {
    const std::size_t close = text.find('}', open);
    const std::string word = text.substr(open, close - open + (close == std::string::npos ? 0 : 1));
    if (std::find(known.begin(), known.end(), word) == known.end()) {
      const std::vector<std::string_view> words(known);
      problems.add(path, "what is " + word + "?" + meant_word(word, words));
      return;
    }
  }
}

void check_pace(const Cohort& cohort, const std::string& path, Problems& problems) {
  const Pace& pace = cohort.pace;
  std::vector<std::string> said;
  for (const char* key : {"every", "rate", "replay"}) {
    if (problems.marked(path + "." + key)) {
      said.emplace_back(key);
    }
  }
  if (pace.kind == Pace::Kind::flood || pace.kind == Pace::Kind::idle) {
    const std::string key = pace.kind == Pace::Kind::flood ? "flood" : "idle";
    if (problems.marked(path + "." + key) || (!problems.has_file())) {
      said.push_back(key);
    }
  }
  if (problems.has_file() && said.empty()) {
    problems.add(path + ".every", "when do the devices send? every = \"10s\" each, rate = 500 for "
                                  "the cohort, flood = true, idle = true, or [cohort.replay]");
  } else if (said.size() > 1) {
    problems.add(path + "." + said[1], said[1] + " and " + said[0] + " can not both be");
  }
  const bool every = pace.kind == Pace::Kind::every;
  if (every && pace.every_ns < 1'000) {
    problems.add(path + (problems.marked(path + ".rate") ? ".rate" : ".every"),
                 "a device sends once in 1us at most");
  }
  if (!every && (pace.herd_spread_ns != 0 || problems.marked(path + ".herd"))) {
    problems.add(path + ".herd", "a herd goes with every or rate");
  } else if (every && pace.herd_spread_ns > pace.every_ns) {
    problems.add(path + ".herd.spread", "the herd takes longer than the time until its next (" +
                                            duration_text(pace.every_ns) + ")");
  } else if (every && pace.herd_spread_ns == 0 && problems.marked(path + ".herd")) {
    problems.add(path + ".herd.spread", "spread is above 0s");
  }
  if (!every && (pace.diurnal_period_ns != 0 || problems.marked(path + ".diurnal"))) {
    problems.add(path + ".diurnal", "a day's wave goes with every or rate");
  } else if (every && problems.marked(path + ".diurnal") && pace.diurnal_period_ns < 1'000'000) {
    problems.add(path + ".diurnal.period", "period is at least 1ms");
  }
  if (!every && pace.arrival != Arrival::fixed) {
    problems.add(path + ".arrival", "arrival goes with every or rate");
  }
}

void check_names(const Cohort& cohort, const std::string& path, Problems& problems) {
  if (cohort.name.empty() || cohort.name.size() > kCohortNameBytesMax ||
      model::device_id_fault(cohort.name) != nullptr) {
    problems.add(path + ".name",
                 "name is from 1 to 64 bytes, without / + # and control characters");
    return;
  }
  const bool recorded = cohort.pace.kind == Pace::Kind::recorded;
  check_places(cohort.device, {"{n}", "{cohort}", "{recorded}"}, path + ".device", problems);
  const std::string rule = placed(cohort.device, "{cohort}", cohort.name);
  const bool has_recorded = rule.find("{recorded}") != std::string::npos;
  if (!recorded && has_recorded) {
    problems.add(path + ".device", "{recorded} goes with [cohort.replay]");
    return;
  }
  // As long as it can get: the number has its place, or goes to the end.
  std::string longest = placed(rule, "{n}", "");
  longest.append(kNumberBytesMax, '9');
  if (rule.size() + kNumberBytesMax > DeviceNames::kNameBytesMax) {
    problems.add(path + ".device", "names of devices are longer than 256 bytes");
  } else if (const char* fault = model::device_id_fault(placed(longest, "{recorded}", "x"))) {
    problems.add(path + ".device", std::string("a device's name ") + fault);
  }

  check_places(cohort.client_id, {"{device}", "{n}", "{cohort}"}, path + ".client_id", problems);
  const std::uint32_t connections =
      cohort.devices_per_connection == 0
          ? 0
          : (cohort.devices + cohort.devices_per_connection - 1) / cohort.devices_per_connection;
  const bool own = cohort.client_id.find("{device}") != std::string::npos ||
                   cohort.client_id.find("{n}") != std::string::npos;
  if ((connections > 1 || recorded) && !own) {
    problems.add(path + ".client_id", "client_id is the same for all devices, which would take "
                                      "each other's connections: put {device} in it");
  } else if (cohort.client_id.size() + longest.size() > DeviceNames::kNameBytesMax ||
             !is_utf8(cohort.client_id)) {
    problems.add(path + ".client_id", "client identifiers are longer than 256 bytes, or not UTF-8");
  }
  if (cohort.devices_per_connection > 1 && recorded) {
    problems.add(path + ".devices_per_connection", "a recording has no gateways");
  }
  check_places(cohort.topic, {"{device}"}, path + ".topic", problems);
  if (const char* fault = wire::topic_name_fault(placed(cohort.topic, "{device}", "d"))) {
    problems.add(path + ".topic", std::string("topic: ") + fault);
  }
  if (!cohort.subscribe.empty()) {
    check_places(cohort.subscribe, {"{device}"}, path + ".subscribe", problems);
    if (const char* fault = wire::topic_filter_fault(placed(cohort.subscribe, "{device}", "d"))) {
      problems.add(path + ".subscribe", std::string("subscribe: ") + fault);
    }
  } else if (cohort.subscribe_qos != 0) {
    problems.add(path + ".subscribe_qos", "subscribe_qos goes with subscribe");
  }
}

void check_payload(const Scenario& scenario, const Cohort& cohort, const std::string& path,
                   Problems& problems) {
  const std::string& word = cohort.payload;
  if (word.find_first_of("/.") != std::string::npos) {
    return; // A file, which is read when the run begins.
  }
  std::vector<std::string_view> known = {"env", "small"};
  for (const NamedModels& payload : scenario.payloads) {
    known.push_back(payload.name);
  }
  if (std::find(known.begin(), known.end(), word) != known.end()) {
    return;
  }
  if (const auto size = parse_count(word); size && *size >= 32 && *size <= kPayloadBytesMax) {
    return;
  }
  problems.add(path + ".payload", "no payload '" + word +
                                      "', nor is it a size from 32 to 1m, or a "
                                      "file" +
                                      meant_word(word, known));
}

} // namespace

void check_cohort(const Scenario& scenario, const Cohort& cohort, const std::string& path,
                  Problems& problems) {
  const bool recorded = cohort.pace.kind == Pace::Kind::recorded;
  if (recorded && !cohort.replay) {
    problems.add(path + ".replay", "a recorded pace needs a recording");
  } else if (!recorded && cohort.devices == 0) {
    problems.add(path + ".devices", "devices is missing: how many are there?");
  } else if (recorded && cohort.devices != 0 && !problems.marked(path + ".every")) {
    problems.add(path + ".devices", "the recording says how many devices there are");
  } else if (cohort.devices_per_connection == 0) {
    problems.add(path + ".devices_per_connection", "devices_per_connection is at least 1");
  }
  check_pace(cohort, path, problems);
  check_names(cohort, path, problems);
  check_payload(scenario, cohort, path, problems);
  if (cohort.mqtt != 3 && cohort.mqtt != 5) {
    problems.add(path + ".mqtt", "mqtt is 3 (for 3.1.1) or 5");
  }
  if (cohort.clean && cohort.reconnect && cohort.qos == 2) {
    problems.add(path + ".clean", "clean with reconnect would store messages of QoS 2 twice; say "
                                  "clean = false");
  }
  if (cohort.user.empty() && !cohort.password.empty() && cohort.mqtt == 3) {
    problems.add(path + ".password", "MQTT 3.1.1 has no password without a user");
  }
  if (cohort.answer_after_ns < 0 && cohort.answer_jitter_ns != 0) {
    problems.add(path + ".commands", "answer_jitter needs answer_after");
  }
  if (cohort.replay && cohort.replay->file.empty()) {
    problems.add(path + ".replay.file", "file is empty");
  }
  if (cohort.tls && cohort.tls->certificate.empty() != cohort.tls->key.empty()) {
    problems.add(path + ".tls.certificate", "certificate and key go together");
  }
  if (cohort.tls && scenario.target.rfind("mqtt://", 0) == 0) {
    problems.add(path + ".tls", "the target " + scenario.target + " is without TLS: say mqtts://");
  }
}

} // namespace spate::loadgen
