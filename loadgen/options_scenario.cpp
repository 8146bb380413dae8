// The options of commands about scenarios.
#include "loadgen/option_words.hpp"

namespace spate::loadgen {

ScenarioApps add_scenario_commands(CLI::App& app, ScenarioOptions& scenarios) {
  constexpr const char* kScenario = "A file, or the name of one of `spate-loadgen scenarios`";
  ScenarioApps apps;
  apps.check = app.add_subcommand("check", "Say what is wrong with a scenario, or what it does");
  apps.check->add_option("SCENARIO", scenarios.scenario, kScenario)->required();
  apps.check->add_flag("--print", scenarios.print,
                       "Print the scenario as it was understood, as TOML");
  apps.check->footer(
      "Example:\n  spate-loadgen scenarios steady > mine.toml\n"
      "  spate-loadgen check mine.toml\n\n"
      "Exit codes: 0 it can be run; 2 it can not, and each line says where and why.");
  apps.list = app.add_subcommand("scenarios", "List the scenarios that come along, or print one");
  apps.list->add_option("NAME", scenarios.scenario, "Print this one");
  apps.schema = app.add_subcommand("schema", "Print the JSON schema of scenarios, for editors");
  apps.schema->add_flag("--reference", scenarios.reference,
                        "Print all keys as Markdown instead, for people");
  return apps;
}

void add_run_scenario(CLI::App& run, RunOptions& to) {
  auto* scenario = run.add_option(
      "SCENARIO", to.scenario,
      "A file, or the name of one of `spate-loadgen scenarios`; it says what the options say "
      "otherwise");
  // What a scenario says itself.
  for (const char* option : {"--devices",
                             "--device-prefix",
                             "--rate",
                             "--flood",
                             "--idle",
                             "--arrival",
                             "--duration",
                             "--warm-up",
                             "--stop-after",
                             "--payload",
                             "--user",
                             "--password",
                             "--ca",
                             "--certificate",
                             "--key",
                             "--insecure",
                             "--topic",
                             "--qos",
                             "--mqtt",
                             "--window",
                             "--keep-alive",
                             "--ramp",
                             "--connect-timeout",
                             "--clean",
                             "--reconnect",
                             "--answer-after",
                             "--answer-jitter",
                             "--drain"}) {
    scenario->excludes(run.get_option(option));
  }
}

} // namespace spate::loadgen
