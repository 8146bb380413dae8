#include "loadgen/options.hpp"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <string_view>

#include "engine/wire/codec.hpp"
#include "loadgen/base/json_text.hpp"
#include "loadgen/base/version.hpp"
#include "loadgen/option_words.hpp"

namespace spate::loadgen {

namespace {

constexpr const char* kAbout =
    "spate-loadgen - simulated devices for any MQTT server\n\n"
    "Each device is one MQTT connection that publishes JSON telemetry. Open loop (--rate): "
    "messages are\n"
    "sent on schedule whatever the server does, and latency counts from the time at which a "
    "message was\n"
    "due. Closed loop (--flood): each device keeps --window messages unacknowledged.";

void add_replay(CLI::App& app, ReplayOptions& replay) {
  app.add_option("FILE", replay.file,
                 "Recording: NDJSON (or .gz), sorted by time, lines {\"d\":device,\"t\":epoch "
                 "ms,\"p\":{...}}")
      ->required();
  add_fleet_options(app, replay);
  app.add_option("--device-prefix", replay.device_prefix, "Put this before each device's name");
  add_parsed(
      app, "--speed", replay.speed,
      [](const std::string& word) -> Result<double> {
        auto value = word == "max" ? Result<double>(0.0) : parse_number(word);
        if (word != "max" && value && *value <= 0) {
          return fail(Errc::usage, "the speed is above 0, or max");
        }
        return value;
      },
      "FACTOR: times faster than recorded, or max (default 1)");
  app.add_flag("--loop", replay.loop, "Begin again at the end, with later times, until stopped");
  app.add_flag(
      "--shift-to-now", replay.shift_to_now,
      "Device times become those of the replay (with --speed max: the recording ends now)");
  add_word<ReplayForm>(app, "--form", replay.form,
                       {{"flat", ReplayForm::flat}, {"record", ReplayForm::record}},
                       "flat: {\"ts\":..,fields}; record: {\"ts\":..,\"values\":{..}}");
  app.footer("Example:\n  spate-loadgen replay env-mqtt.ndjson.gz --target mqtt://127.0.0.1:1883 "
             "--speed 100 --shift-to-now");
}

/// Null, or what is wrong with options that are each right.
const char* fault_of(const FleetOptions& fleet) {
  if (fleet.window > 32'768) {
    return "--window is at most 32768";
  }
  if (fleet.connect_timeout_ns == 0) {
    return "--connect-timeout is above 0";
  }
  if (!fleet.ledger.empty() && fleet.qos == 0) {
    return "--ledger needs --qos 1 or 2: messages of QoS 0 are not acknowledged";
  }
  if (fleet.clean && fleet.reconnect && fleet.qos == 2) {
    return "--clean with --reconnect would store messages of QoS 2 twice; leave --clean out";
  }
  return wire::topic_name_fault(fleet.topic);
}

const char* devices_fault(const RunOptions& run) {
  if (run.devices == 0 || run.devices > 10'000'000) {
    return "--devices is from 1 to 10,000,000";
  }
  return run.answer_after_ns == kNoAnswers && run.answer_jitter_ns != 0
             ? "--answer-jitter needs --answer-after"
             : nullptr;
}

const char* fault_of(const RunOptions& run) {
  if (const char* fault = devices_fault(run)) {
    return fault;
  }
  if (!run.idle && !run.flood && run.rate <= 0) {
    return "say how much to send: --rate R, --flood or --idle";
  }
  if (run.duration_ns == 0 && run.stop_after == 0) {
    return "--duration is above 0";
  }
  return fault_of(static_cast<const FleetOptions&>(run));
}

const char* fault_of(const CommandsOptions& commands) {
  if (const char* fault = devices_fault(commands)) {
    return fault;
  }
  if (commands.answer_after_ns == kNoAnswers) {
    return "commands need devices that answer: leave --answer-after none out";
  }
  if (commands.commands_per_s <= 0 || commands.commands_per_s > 1e6) {
    return "--commands-per-s is above 0 and at most 1,000,000";
  }
  if (commands.duration_ns == 0) {
    return "--duration is above 0";
  }
  if (commands.ttl_ns < 1'000'000) {
    return "--ttl is at least 1ms";
  }
  if (commands.connections == 0 || commands.connections_max < commands.connections ||
      commands.connections_max > 60'000) {
    return "--http-connections is from 1 to --http-connections-max, which is at most 60,000";
  }
  std::vector<JsonSpan> members;
  const std::string list = "[" + commands.args + "]"; // Arguments may be any JSON.
  if (!json_members(list, members) || members.size() != 1) {
    return "--args is not JSON";
  }
  return fault_of(static_cast<const FleetOptions&>(commands));
}

struct Verb {
  CLI::App* app;
  int (*command)(const Options&);
  /// Null if options that are each right can not be wrong together.
  const char* (*fault)(const Options&) = nullptr;
};

} // namespace

std::optional<Options> parse_options(int argc, char** argv, int& exit_code) {
  Options options;
  options.command_line.assign(argv, argv + argc);
  CLI::App app(kAbout, "spate-loadgen");
  app.set_version_flag("--version", "spate-loadgen " + std::string(kVersion));
  app.require_subcommand(1);
  app.footer(kExamples);
  auto* run = app.add_subcommand("run", "Simulate a fleet: a scenario, or what the options say");
  auto* replay = app.add_subcommand("replay", "Send recorded telemetry at its recorded pace");
  auto* commands =
      app.add_subcommand("commands", "Post commands to a fleet that answers them, and time them");
  auto* verify = app.add_subcommand("verify", "Look for each acknowledged record where it must be");
  auto* compare = app.add_subcommand("compare", "Ratios between the reports of runs");
  auto* servers =
      app.add_subcommand("compare-servers", "The same scenario against several servers, in turn");
  auto* ledger = app.add_subcommand("ledger", "What a ledger of records holds");
  auto* agent = app.add_subcommand("agent", "Run loads for a coordinator: run --agents");
  const ScenarioApps scenarios = add_scenario_commands(app, options.scenarios);
  add_run(*run, options.run);
  add_run_scenario(*run, options.run);
  add_replay(*replay, options.replay);
  add_commands(*commands, options.commands);
  add_verify(*verify, options.verify);
  add_ledger(*ledger, options.ledger);
  add_agent(*agent, options.agent);
  add_compare(*compare, options.compare);
  add_compare_servers(*servers, options.compare_servers);
  const Verb verbs[] = {
      {run, &run_command,
       [](const Options& all) { return all.run.scenario.empty() ? fault_of(all.run) : nullptr; }},
      {replay, &replay_command,
       [](const Options& all) { return fault_of(static_cast<const FleetOptions&>(all.replay)); }},
      {commands, &commands_command, [](const Options& all) { return fault_of(all.commands); }},
      {verify, &verify_command, [](const Options& all) { return fault_of(all.verify); }},
      {ledger, &ledger_command},
      {agent, &agent_command},
      {compare, &compare_command},
      {servers, &compare_servers_command},
      {scenarios.check, &check_command},
      {scenarios.list, &scenarios_command},
      {scenarios.schema, &schema_command},
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, std::cout, std::cerr);
    exit_code = code == 0 ? kExitOk : kExitUsage;
    return std::nullopt;
  }
  const Verb& verb = *std::find_if(std::begin(verbs), std::end(verbs),
                                   [](const Verb& v) { return v.app->parsed(); });
  options.command = verb.command;
  RunOptions& generated = options.run;
  generated.target_named = run->get_option("--target")->count() != 0;
  generated.seed_named = run->get_option("--seed")->count() != 0;
  if (run->get_option("--duration")->count() == 0 &&
      (generated.stop_after == 0 || generated.idle)) {
    generated.duration_ns = 30'000'000'000;
  }
  CommandsOptions& commanded = options.commands;
  if (commanded.ttl_ns == 0) {
    commanded.ttl_ns = commanded.wait_s * std::int64_t{1'000'000'000};
  }
  if (const char* fault = verb.fault == nullptr ? nullptr : verb.fault(options)) {
    std::fprintf(stderr, "spate-loadgen: %s\nRun with --help for more information.\n", fault);
    exit_code = kExitUsage;
    return std::nullopt;
  }
  return options;
}

} // namespace spate::loadgen
