#include "loadgen/scenario/rules.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>

#include "engine/base/nearest.hpp"
#include "loadgen/base/json_text.hpp"
#include "loadgen/base/texts.hpp"
#include "loadgen/base/units.hpp"
#include "loadgen/scenario/cohort_load.hpp"
#include "loadgen/scenario/read_scenario.hpp"

namespace spate::loadgen {

namespace {

using Kind = Fault::Kind;

/// Device times have 13 digits: from 2001 to 2286.
constexpr std::int64_t kTimeOffMostNs = 20 * 365 * std::int64_t{86'400'000'000'000};

std::string at(std::string_view list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

const Cohort* cohort_of(const Scenario& scenario, std::string_view name) {
  const auto found = std::find_if(scenario.cohorts.begin(), scenario.cohorts.end(),
                                  [&](const Cohort& cohort) { return cohort.name == name; });
  return found == scenario.cohorts.end() ? nullptr : &*found;
}

void check_reference(const Scenario& scenario, const std::string& name, const std::string& path,
                     Problems& problems) {
  if (cohort_of(scenario, name) == nullptr) {
    std::vector<std::string_view> known;
    for (const Cohort& cohort : scenario.cohorts) {
      known.push_back(cohort.name);
    }
    problems.add(path, "no cohort '" + name + "'" + meant_word(name, known));
  }
}

void check_payloads(const Scenario& scenario, Problems& problems) {
  for (const NamedModels& payload : scenario.payloads) {
    const std::string path = "payload." + payload.name;
    const auto size = parse_count(payload.name);
    if (payload.name == "env" || payload.name == "small" || size) {
      problems.add(path,
                   "'" + payload.name + "' means something else already: choose another name");
    }
    bool right = true;
    for (const SensorModel& model : payload.fields) {
      if (const std::string fault = sensor_fault(model); !fault.empty()) {
        const std::string field = path + ".fields." + model.field;
        const std::string key = field + "." + fault.substr(0, fault.find(' '));
        problems.add(problems.marked(key) ? key : field, fault);
        right = false;
      }
    }
    if (!right || problems.about(path + ".fields")) {
      continue;
    }
    if (auto made = SensorPayload::make(payload.fields, 1); !made) {
      problems.add(path, made.error().detail);
    }
  }
}

bool sends(const Cohort& cohort) noexcept {
  return cohort.pace.kind != Pace::Kind::idle;
}

void check_stages(const Scenario& scenario, Problems& problems) {
  const auto& stages = scenario.stages;
  const bool ends_itself =
      std::any_of(scenario.cohorts.begin(), scenario.cohorts.end(), sends) &&
      std::all_of(scenario.cohorts.begin(), scenario.cohorts.end(), [](const Cohort& cohort) {
        return !sends(cohort) || cohort.messages != 0 || (cohort.replay && !cohort.replay->loop);
      });
  if (stages.empty() && !ends_itself) {
    problems.add("stage", "how long is the run? [[stage]] duration = \"30s\"");
  }
  bool measured = false;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const Stage& stage = stages[i];
    const std::string path = at("stage", i);
    if (stage.duration_ns <= 0 && !ends_itself) {
      problems.add(path + ".duration", "duration is above 0s");
    }
    if (measured && !stage.measured) {
      problems.add(path + ".measure", "a warm-up stands before all stages that are measured");
    }
    measured |= stage.measured;
    for (std::size_t c = 0; c < stage.cohorts.size(); ++c) {
      check_reference(scenario, stage.cohorts[c], at(path + ".cohorts", c), problems);
    }
  }
  if (!stages.empty() && !measured) {
    problems.add(at("stage", stages.size() - 1) + ".measure", "no stage is measured");
  }
}

/// The keys that only some kinds of faults use.
struct FaultKey {
  const char* name;
  std::set<Kind> kinds;
  bool (*given)(const Fault&);
  bool needed; ///< By the kinds that use it.
};

const std::vector<FaultKey>& fault_keys_used() {
  static const std::vector<FaultKey> kKeys = {
      {"for",
       {Kind::slow_reader, Kind::half_open, Kind::silent_cut, Kind::credential_expiry,
        Kind::clock_skew, Kind::duplicates, Kind::out_of_order, Kind::malformed, Kind::oversized},
       [](const Fault& fault) { return fault.duration_ns != 0; },
       false},
      {"share",
       {Kind::reconnect_storm, Kind::slow_reader, Kind::silent_cut, Kind::credential_expiry,
        Kind::clock_skew, Kind::duplicates, Kind::out_of_order, Kind::malformed, Kind::oversized},
       [](const Fault& fault) { return fault.share != 1; },
       false},
      {"by",
       {Kind::clock_skew, Kind::out_of_order},
       [](const Fault& fault) { return fault.by_ns != 0; },
       true},
      {"back_within",
       {Kind::reconnect_storm, Kind::silent_cut, Kind::credential_expiry},
       [](const Fault& fault) { return fault.back_within_ns != 0; },
       false},
      {"count", {Kind::half_open}, [](const Fault& fault) { return fault.count != 0; }, true},
      {"bytes", {Kind::oversized}, [](const Fault& fault) { return fault.bytes != 0; }, true},
      {"bytes_per_s",
       {Kind::slow_reader},
       [](const Fault& fault) { return fault.bytes_per_s != 0; },
       true}};
  return kKeys;
}

void check_fault(const Scenario& scenario, const Fault& fault, const std::string& path,
                 Problems& problems) {
  const std::string kind(name_of(fault.kind));
  for (const FaultKey& key : fault_keys_used()) {
    const std::string place = path + "." + key.name;
    const bool used = key.kinds.contains(fault.kind);
    if (!used && (problems.marked(place) || key.given(fault))) {
      problems.add(place, kind + " has no " + key.name);
    } else if (used && key.needed && !key.given(fault)) {
      problems.add(place, kind + " needs " + key.name + ", other than 0");
    }
  }
  if (!(fault.share > 0 && fault.share <= 1)) {
    problems.add(path + ".share", "share is above 0 and at most 1");
  }
  if (fault.kind == Kind::out_of_order && fault.by_ns < 0) {
    problems.add(path + ".by", "by is above 0s: times out of order are earlier");
  }
  if (fault.by_ns > kTimeOffMostNs || fault.by_ns < -kTimeOffMostNs) {
    problems.add(path + ".by", "by is at most 20 years (175200h)");
  }
  if (!fault.cohort.empty()) {
    check_reference(scenario, fault.cohort, path + ".cohort", problems);
  }
  const std::int64_t run_ns = duration_of(scenario.stages);
  if (run_ns > 0 && fault.at_ns >= run_ns) {
    problems.add(path + ".at", "the run is over after " + duration_text(run_ns));
  } else if (run_ns > 0 && fault.at_ns + fault.duration_ns > run_ns) {
    problems.add(path + ".for", "the run is over after " + duration_text(run_ns) +
                                    ", the fault after " +
                                    duration_text(fault.at_ns + fault.duration_ns));
  }
  const bool of_times = fault.kind == Kind::clock_skew || fault.kind == Kind::out_of_order ||
                        fault.kind == Kind::duplicates;
  const bool of_messages =
      of_times || fault.kind == Kind::malformed || fault.kind == Kind::oversized;
  bool struck = !fault.cohort.empty() && cohort_of(scenario, fault.cohort) == nullptr;
  for (const Cohort& cohort : scenario.cohorts) {
    if (!fault.cohort.empty() && fault.cohort != cohort.name) {
      continue;
    }
    const Pace::Kind pace = cohort.pace.kind;
    struck |= pace == Pace::Kind::every || pace == Pace::Kind::flood;
    if (of_times && pace == Pace::Kind::flood) {
      problems.add(path + ".kind", kind + " goes with an open loop (every or rate), and '" +
                                       cohort.name + "' floods");
    }
    if (fault.kind == Kind::credential_expiry && cohort.password.empty()) {
      problems.add(path + ".kind", "'" + cohort.name + "' has no password that could expire");
    }
    if (fault.kind != Kind::half_open && !of_messages && fault.kind != Kind::slow_reader &&
        !cohort.reconnect) {
      problems.add(path + ".kind", "the devices of '" + cohort.name +
                                       "' would not come back: say reconnect = true there");
    }
  }
  if (of_messages && !struck && !scenario.cohorts.empty()) {
    problems.add(path + ".kind", kind + " strikes generated messages, and none are sent");
  }
}

void check_faults(const Scenario& scenario, Problems& problems) {
  for (std::size_t i = 0; i < scenario.faults.size(); ++i) {
    check_fault(scenario, scenario.faults[i], at("fault", i), problems);
  }
  for (const Cohort& cohort : scenario.cohorts) {
    std::size_t of_times = 0, oversized = 0;
    for (std::size_t i = 0; i < scenario.faults.size(); ++i) {
      const Fault& fault = scenario.faults[i];
      if (!fault.cohort.empty() && fault.cohort != cohort.name) {
        continue;
      }
      of_times += fault.kind == Kind::clock_skew || fault.kind == Kind::out_of_order ? 1 : 0;
      oversized += fault.kind == Kind::oversized ? 1 : 0;
      if (of_times > kTimeFaultsMax) {
        problems.add(at("fault", i), "more than " + std::to_string(kTimeFaultsMax) +
                                         " faults change the times of '" + cohort.name + "'");
      }
      if (oversized > 1) {
        problems.add(at("fault", i),
                     "one fault makes messages of '" + cohort.name + "' oversized already");
      }
    }
  }
}

void check_commands(const Scenario& scenario, Problems& problems) {
  if (!scenario.commands) {
    return;
  }
  const CommandTraffic& commands = *scenario.commands;
  check_reference(scenario, commands.cohort, "commands.cohort", problems);
  const Cohort* cohort = cohort_of(scenario, commands.cohort);
  if (cohort != nullptr && cohort->answer_after_ns < 0) {
    problems.add("commands.cohort", "the devices of '" + commands.cohort +
                                        "' take no commands: say [cohort.commands] there");
  }
  if (cohort != nullptr && cohort->devices_per_connection > 1) {
    problems.add("commands.cohort", "the devices of '" + commands.cohort +
                                        "' are behind gateways: commands go to devices with a "
                                        "connection of their own");
  }
  if (!(commands.rate > 0)) {
    problems.add("commands.rate", "rate is above 0");
  }
  if (commands.name.empty()) {
    problems.add("commands.name", "name is empty");
  }
  std::vector<JsonSpan> members;
  const std::string list = "[" + commands.args + "]"; // Arguments may be any JSON.
  if (!json_members(list, members) || members.size() != 1) {
    problems.add("commands.args", "args is not JSON");
  }
  if (commands.connections > commands.connections_max) {
    problems.add("commands.connections", "connections is above connections_max");
  }
}

void check_objectives(const Scenario& scenario, Problems& problems) {
  const bool unproven =
      std::any_of(scenario.cohorts.begin(), scenario.cohorts.end(),
                  [](const Cohort& cohort) { return cohort.qos == 0 && sends(cohort); });
  for (std::size_t i = 0; i < scenario.objectives.size(); ++i) {
    const std::string& objective = scenario.objectives[i];
    const std::string path = at("objectives", i);
    const std::size_t sign = objective.find_first_of("<>=!");
    const std::size_t value = objective.find_first_not_of("<>=! ", sign);
    const std::size_t name_end =
        sign == std::string::npos ? sign : objective.find_last_not_of(' ', sign - 1);
    if (sign == 0 || name_end == std::string::npos || value == std::string::npos) {
      problems.add(path, "'" + objective + "' is no objective such as ack_p99<50ms or lost==0");
      continue;
    }
    const std::string name = objective.substr(0, name_end + 1);
    if (unproven && (name == "lost" || name == "missing")) {
      problems.add(path, "nobody can know what was lost of QoS 0: use qos = 1 in all cohorts");
    }
  }
}

void check_cohorts(const Scenario& scenario, Problems& problems) {
  if (scenario.cohorts.empty()) {
    problems.add("cohort", "there are no devices: write a [[cohort]]");
  }
  std::map<std::string_view, std::size_t> names;
  // Names of devices by their rule, with their first number and the one behind the last.
  std::multimap<std::string, std::pair<std::uint64_t, std::uint64_t>> devices;
  for (std::size_t i = 0; i < scenario.cohorts.size(); ++i) {
    const Cohort& cohort = scenario.cohorts[i];
    const std::string path = at("cohort", i);
    check_cohort(scenario, cohort, path, problems);
    if (!names.emplace(cohort.name, i).second) {
      problems.add(path + ".name", "another cohort is called '" + cohort.name + "' already");
      continue;
    }
    const std::string rule = placed(cohort.device, "{cohort}", cohort.name);
    const std::uint64_t begin = cohort.first, end = begin + cohort.devices;
    const auto [from, to] = devices.equal_range(rule);
    if (std::any_of(from, to, [&](const auto& other) {
          return begin < other.second.second && other.second.first < end;
        })) {
      problems.add(path + ".device", "another cohort has devices with these names: set `first`");
    }
    devices.emplace(rule, std::pair(begin, end));
    const bool stages_right = std::all_of(scenario.stages.begin(), scenario.stages.end(),
                                          [](const Stage& stage) { return stage.duration_ns > 0; });
    const Pace& pace = cohort.pace;
    if (problems.empty() && stages_right && pace.kind == Pace::Kind::every) {
      if (auto curve = rate_curve_of(cohort, scenario.stages); !curve) {
        problems.add(path + ".every", curve.error().detail);
      }
    }
  }
}

} // namespace

void check_rules(const Scenario& scenario, Problems& problems) {
  constexpr std::string_view kSchemes[] = {"mqtt://", "mqtts://"};
  const std::string& target = scenario.target;
  if (!target.empty() &&
      std::none_of(std::begin(kSchemes), std::end(kSchemes), [&](std::string_view scheme) {
        return target.size() > scheme.size() && target.rfind(scheme, 0) == 0;
      })) {
    problems.add("target", "target is mqtt://HOST:PORT or mqtts://HOST:PORT");
  }
  check_payloads(scenario, problems);
  check_stages(scenario, problems);
  check_cohorts(scenario, problems);
  check_faults(scenario, problems);
  check_commands(scenario, problems);
  check_objectives(scenario, problems);
}

} // namespace spate::loadgen
