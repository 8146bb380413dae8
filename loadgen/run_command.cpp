#include "loadgen/scenario/library.hpp"
#include "loadgen/scenario_of.hpp"

namespace spate::loadgen {

int run_command(const Options& options) {
  const RunOptions& run = options.run;
  if (!run.scenario.empty()) {
    auto scenario = open_scenario(run.scenario);
    if (!scenario) {
      return complain(scenario.error());
    }
    if (run.target_named || scenario->target.empty()) {
      scenario->target = run.target;
    }
    if (run.seed_named) {
      scenario->seed = run.seed;
    }
    return run_scenario(*scenario, settings_of(run), outputs_of(options, run));
  }
  return run_scenario(scenario_of(options.run), settings_of(options.run),
                      outputs_of(options, options.run));
}

int replay_command(const Options& options) {
  return run_scenario(scenario_of(options.replay), settings_of(options.replay),
                      outputs_of(options, options.replay));
}

int commands_command(const Options& options) {
  RunOutputs outputs = outputs_of(options, options.commands);
  outputs.hdr = options.commands.hdr;
  return run_scenario(scenario_of(options.commands), settings_of(options.commands), outputs);
}

} // namespace spate::loadgen
