#include "loadgen/scenario/library.hpp"
#include "loadgen/scenario/read_scenario.hpp"
#include "loadgen/scenario_of.hpp"

namespace spate::loadgen {

namespace {

/// What the command line says goes before what the scenario says.
Result<Scenario> scenario_for(const RunOptions& run) {
  auto scenario = open_scenario(run.scenario);
  if (!scenario) {
    return scenario;
  }
  if (run.target_named || scenario->target.empty()) {
    const bool bare = run.target.find("://") == std::string::npos;
    scenario->target = (bare ? "mqtt://" : "") + run.target;
  }
  if (run.seed_named) {
    scenario->seed = run.seed;
  }
  const auto put = [](const std::string& from, std::string& to) {
    if (!from.empty()) {
      to = from;
    }
  };
  for (Cohort& cohort : scenario->cohorts) {
    put(run.user, cohort.user);
    put(run.password, cohort.password);
    if (scenario->target.starts_with("mqtts://")) {
      TlsPlan& tls = cohort.tls ? *cohort.tls : cohort.tls.emplace();
      put(run.ca, tls.ca);
      put(run.certificate, tls.certificate);
      put(run.key, tls.key);
      tls.verify = tls.verify && !run.insecure;
    }
  }
  if (auto checked = check_scenario(*scenario); !checked) {
    return fail(std::move(checked.error()));
  }
  return scenario;
}

/// Runs it, unless what it asks for can not be proven.
int run_planned(const Scenario& scenario, const FleetOptions& fleet, const RunOutputs& outputs) {
  if (const std::string fault = proof_fault(scenario, outputs.proof); !fault.empty()) {
    return complain({Errc::usage, fault});
  }
  return run_scenario(scenario, settings_of(fleet), outputs);
}

} // namespace

std::string proof_fault(const Scenario& scenario, const ProofOutputs& proof) {
  for (const Cohort& cohort : scenario.cohorts) {
    if (cohort.qos == 0 && cohort.pace.kind != Pace::Kind::idle &&
        !(proof.ledger.empty() && proof.receive.empty())) {
      return std::string(proof.ledger.empty() ? "--receive" : "--ledger") +
             " needs QoS 1 or 2: messages of QoS 0 are not acknowledged, and '" + cohort.name +
             "' sends such";
    }
  }
  return {};
}

int run_command(const Options& options) {
  const RunOptions& run = options.run;
  if (!run.scenario.empty()) {
    const auto scenario = scenario_for(run);
    if (!scenario) {
      return complain(scenario.error());
    }
    return run_planned(*scenario, run, outputs_of(options, run));
  }
  return run_planned(scenario_of(run), run, outputs_of(options, run));
}

int replay_command(const Options& options) {
  return run_planned(scenario_of(options.replay), options.replay,
                     outputs_of(options, options.replay));
}

int commands_command(const Options& options) {
  RunOutputs outputs = outputs_of(options, options.commands);
  outputs.hdr = options.commands.hdr;
  return run_planned(scenario_of(options.commands), options.commands, outputs);
}

} // namespace spate::loadgen
