#include "loadgen/scenario_of.hpp"

#include <cmath>

namespace spate::loadgen {

namespace {

Scenario base_of(const char* name, const FleetOptions& fleet) {
  Scenario scenario;
  scenario.name = name;
  scenario.target = fleet.target;
  scenario.seed = fleet.seed;
  scenario.drain_ns = fleet.drain_ns;
  scenario.connect_timeout_ns = fleet.connect_timeout_ns;
  Cohort& cohort = scenario.cohorts.emplace_back();
  cohort.user = fleet.user;
  cohort.password = fleet.password;
  if (fleet.target.starts_with("mqtts://")) {
    cohort.tls = TlsPlan{fleet.ca, fleet.certificate, fleet.key, {}, !fleet.insecure};
  }
  cohort.topic = fleet.topic;
  cohort.mqtt = fleet.mqtt;
  cohort.qos = fleet.qos;
  cohort.clean = fleet.clean || !fleet.reconnect;
  cohort.reconnect = fleet.reconnect;
  cohort.keep_alive_s = fleet.keep_alive_s;
  cohort.window = fleet.window;
  cohort.connects_per_s = fleet.connects_per_s;
  cohort.answer_after_ns = fleet.answer_after_ns;
  cohort.answer_jitter_ns = fleet.answer_jitter_ns;
  return scenario;
}

} // namespace

Scenario scenario_of(const RunOptions& run) {
  Scenario scenario = base_of("run", run);
  Cohort& cohort = scenario.cohorts.front();
  cohort.devices = run.devices;
  cohort.device = run.device_prefix;
  cohort.payload = run.payload;
  cohort.messages = run.stop_after;
  Pace& pace = cohort.pace;
  pace.arrival = run.arrival;
  if (run.flood) {
    pace.kind = Pace::Kind::flood;
  } else if (!run.idle) {
    pace.kind = Pace::Kind::every;
    pace.every_ns = std::llround(run.devices * 1e9 / run.rate);
  }
  if (run.warm_up_ns != 0) {
    scenario.stages.push_back({"warm-up", run.warm_up_ns, 1, 1, false, {}});
  }
  scenario.stages.push_back({"load", run.duration_ns, 1, 1, true, {}});
  return scenario;
}

Scenario scenario_of(const ReplayOptions& replay) {
  Scenario scenario = base_of("replay", replay);
  Cohort& cohort = scenario.cohorts.front();
  cohort.device = replay.device_prefix + "{recorded}";
  cohort.pace.kind = Pace::Kind::recorded;
  cohort.replay =
      ReplaySource{replay.file, replay.speed, replay.loop, replay.shift_to_now, replay.form};
  return scenario;
}

Scenario scenario_of(const CommandsOptions& commands) {
  RunOptions run = commands;
  run.idle = !commands.flood && commands.rate <= 0;
  Scenario scenario = scenario_of(run);
  scenario.name = "commands";
  CommandTraffic& traffic = scenario.commands.emplace();
  traffic.cohort = scenario.cohorts.front().name;
  traffic.rate = commands.commands_per_s;
  traffic.poisson = commands.poisson;
  traffic.name = commands.name;
  traffic.args = commands.args;
  traffic.priority = commands.priority;
  traffic.http = commands.http;
  traffic.wait_s = commands.wait_s;
  traffic.ttl_ns = commands.ttl_ns;
  traffic.connections = commands.connections;
  traffic.connections_max = commands.connections_max;
  return scenario;
}

RunSettings settings_of(const FleetOptions& fleet) {
  return {fleet.threads,           fleet.precise,
          fleet.sources,           fleet.agents,
          fleet.agents_token_file, fleet.receive.empty() ? 0 : fleet.receive_connections};
}

RunOutputs outputs_of(const Options& options, const FleetOptions& fleet) {
  return {options.command_line,
          fleet.report,
          {},
          fleet.quiet,
          fleet.objectives,
          fleet.server_pids,
          fleet.server_metrics,
          fleet.server_counters,
          {fleet.ledger, fleet.receive, fleet.receive_connections}};
}

} // namespace spate::loadgen
