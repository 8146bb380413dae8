// The commands about scenarios that run nothing: check, scenarios, schema.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "loadgen/base/units.hpp"
#include "loadgen/options.hpp"
#include "loadgen/report/objectives.hpp"
#include "loadgen/report/report.hpp"
#include "loadgen/run_scenario.hpp"
#include "loadgen/scenario/cohort_load.hpp"
#include "loadgen/scenario/library.hpp"
#include "loadgen/scenario/read_scenario.hpp"
#include "loadgen/scenario/schema.hpp"

namespace spate::loadgen {

namespace {

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

/// Problems stand alone: they say where they are.
int refuse(const Error& error) {
  if (error.code != Errc::config_invalid) {
    return complain(error);
  }
  std::fprintf(stderr, "%s\n", error.detail.c_str());
  return kExitUsage;
}

std::string whole(double value) {
  return grouped(static_cast<std::uint64_t>(std::llround(value)));
}

std::string counted(std::size_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

/// How many messages a cohort sends.
std::string load_text(const Scenario& scenario, const Cohort& cohort) {
  switch (cohort.pace.kind) {
  case Pace::Kind::idle:
    return "sends nothing";
  case Pace::Kind::flood:
    return "sends as fast as it is answered";
  case Pace::Kind::recorded:
    return "replays " + cohort.replay->file;
  case Pace::Kind::every:
    break;
  }
  const auto curve = rate_curve_of(cohort, scenario.stages);
  const std::int64_t run_ns = duration_of(scenario.stages);
  if (!curve || std::isinf(curve->messages())) {
    return "sends " + whole(cohort.devices * 1e9 / static_cast<double>(cohort.pace.every_ns)) +
           " messages a second";
  }
  return "sends " + whole(curve->messages()) + " messages, " +
         whole(curve->messages() * 1e9 / static_cast<double>(run_ns)) + " a second on average, " +
         whole(curve->rate_max()) + " at most";
}

std::string summary_of(const Scenario& scenario) {
  std::string text = scenario.name + ": " + (scenario.about.empty() ? "right" : scenario.about);
  const std::int64_t run_ns = duration_of(scenario.stages);
  text += "\n  run: " + (run_ns == 0 ? "until all is sent" : duration_text(run_ns)) + ", " +
          counted(scenario.stages.size(), "stage") + ", " +
          counted(scenario.faults.size(), "fault") + "\n";
  for (const Cohort& cohort : scenario.cohorts) {
    const std::uint32_t members = cohort.devices_per_connection;
    const std::uint32_t connections = (cohort.devices + members - 1) / members;
    text += "  " + cohort.name + ": ";
    if (cohort.devices != 0) {
      text += grouped(cohort.devices) + " devices";
      text +=
          connections == cohort.devices ? ", " : " behind " + grouped(connections) + " gateways, ";
    }
    text += load_text(scenario, cohort) + "\n";
  }
  for (const std::string& objective : scenario.objectives) {
    text += "  objective: " + objective + "\n";
  }
  return text;
}

} // namespace

int check_command(const Options& options) {
  const auto scenario = open_scenario(options.scenarios.scenario);
  if (!scenario) {
    return refuse(scenario.error());
  }
  if (auto objectives = parse_objectives(scenario->objectives); !objectives) {
    return complain(objectives.error());
  }
  print(options.scenarios.print ? write_scenario(*scenario) : summary_of(*scenario));
  return kExitOk;
}

int scenarios_command(const Options& options) {
  if (!options.scenarios.scenario.empty()) {
    const auto found = find_scenario(options.scenarios.scenario);
    if (!found) {
      return refuse(found.error());
    }
    print(found->text);
    return kExitOk;
  }
  for (const LibraryScenario& known : scenario_library()) {
    const auto scenario = open_scenario(std::string(known.name));
    std::printf("%-20s %s\n", std::string(known.name).c_str(),
                scenario ? scenario->about.c_str() : scenario.error().detail.c_str());
  }
  print("\nspate-loadgen run NAME runs one, spate-loadgen scenarios NAME prints it.\n");
  return kExitOk;
}

int schema_command(const Options& options) {
  print(options.scenarios.reference ? scenario_reference() : scenario_schema().dump(2) + "\n");
  return kExitOk;
}

} // namespace spate::loadgen
