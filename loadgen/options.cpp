#include "loadgen/options.hpp"

#include <cstdio>
#include <iostream>
#include <limits>
#include <map>
#include <type_traits>
#include <utility>

#include <CLI/CLI.hpp>

#include "engine/wire/codec.hpp"
#include "loadgen/units.hpp"
#include "loadgen/version.hpp"

namespace spate::loadgen {

namespace {

constexpr const char* kAbout =
    "spate-loadgen - simulated devices for any MQTT server\n\n"
    "Each device is one MQTT connection that publishes JSON telemetry. Open loop (--rate): "
    "messages are\n"
    "sent on schedule whatever the server does, and latency counts from the time at which a "
    "message was\n"
    "due. Closed loop (--flood): each device keeps --window messages unacknowledged.";

constexpr const char* kExamples =
    "Examples:\n"
    "  How does the server behave at 20,000 messages/s from 10,000 devices?\n"
    "    spate-loadgen run --target mqtt://127.0.0.1:1883 --devices 10000 --rate 20k --duration "
    "30s\n"
    "  How much can it take? (100 connections, 20 in flight each, MQTT 5)\n"
    "    spate-loadgen run --target mqtt://127.0.0.1:1883 --devices 100 --flood --window 20 --mqtt "
    "5\n"
    "  What does a connection cost?\n"
    "    spate-loadgen run --target mqtt://127.0.0.1:1883 --devices 15000 --idle --ramp 2000\n"
    "  Send recorded data a hundred times faster than it was recorded\n"
    "    spate-loadgen replay env.ndjson.gz --target mqtt://127.0.0.1:1883 --speed 100\n"
    "  Is every acknowledged record stored, once, with its values?\n"
    "    spate-loadgen run --target mqtt://127.0.0.1:1883 --devices 50 --rate 5k --acks acks.txt\n"
    "    spate-loadgen verify --acks acks.txt --api http://127.0.0.1:8080\n\n"
    "Exit codes: 0 ok; 1 something failed, was lost or is missing; 2 wrong usage.";

/// Takes what a unit parser understands, or explains.
template <class T, class Parse>
CLI::Option* add_parsed(CLI::App& app, const std::string& name, T& target, Parse parse,
                        const std::string& text) {
  return app
      .add_option_function<std::string>(
          name,
          [&target, parse, name](const std::string& word) {
            auto value = parse(word);
            if (!value) {
              throw CLI::ValidationError(name, value.error().detail);
            }
            if constexpr (std::is_integral_v<T>) {
              if (std::cmp_greater(*value, std::numeric_limits<T>::max())) {
                throw CLI::ValidationError(name, word + " is too large");
              }
            }
            target = static_cast<T>(*value);
          },
          text)
      ->type_name("");
}

/// An option that takes one of a few words.
template <class T>
CLI::Option* add_word(CLI::App& app, const std::string& name, T& target,
                      const std::map<std::string, T>& words, const std::string& text) {
  std::string names;
  for (const auto& [word, value] : words) {
    names += (names.empty() ? "" : "|") + word;
  }
  return app
      .add_option_function<std::string>(
          name,
          [&target, words, names, name](const std::string& word) {
            const auto found = words.find(word);
            if (found == words.end()) {
              throw CLI::ValidationError(name, word + " is none of " + names);
            }
            target = found->second;
          },
          text)
      ->type_name(names);
}

void add_fleet_options(CLI::App& app, FleetOptions& to) {
  app.add_option("--target", to.target, "MQTT server, mqtt://HOST:PORT")->required();
  app.add_option("--topic", to.topic, "Topic; {device} stands for the device")
      ->capture_default_str();
  app.add_option("--qos", to.qos, "Quality of service")
      ->check(CLI::IsMember({0, 1, 2}))
      ->capture_default_str();
  app.add_option("--mqtt", to.mqtt, "Version: 3 (3.1.1) or 5")
      ->check(CLI::IsMember({3, 5}))
      ->capture_default_str();
  add_parsed(app, "--window", to.window, parse_count,
             "COUNT: unacknowledged messages a device may have (flood and QoS 2 of 3.1.1: 20, "
             "otherwise 1000)");
  app.add_option("--threads", to.threads, "Threads, each with its share of the devices")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--keep-alive", to.keep_alive_s, "Keep alive in seconds, 0 = none")
      ->capture_default_str();
  add_parsed(app, "--ramp", to.connects_per_s, parse_number,
             "RATE: connections opened per second (default: as fast as the server answers)");
  add_parsed(
      app, "--connect-timeout", to.connect_timeout_ns, parse_duration_ns,
      "TIME: for a CONNACK, and beyond the ramp for all of them (default 30s); then the load "
      "begins without those that are missing");
  app.add_flag("--clean", to.clean, "Clean sessions (the default unless --reconnect)");
  app.add_flag(
      "--reconnect", to.reconnect,
      "After a lost connection connect again and send what is unacknowledged again, unchanged");
  app.add_flag(
      "--precise", to.precise,
      "Send within microseconds of the schedule instead of a millisecond; keeps a core busy");
  app.add_option("--sources", to.sources,
                 "Source addresses: auto (127.0.0.0/8 for loopback targets), none, a range, a list")
      ->capture_default_str();
  add_parsed(app, "--drain", to.drain_ns, parse_duration_ns,
             "TIME: wait for missing acknowledgements at the end (default 10s); without a duration "
             "also how long nothing may move");
  app.add_option("--seed", to.seed, "Seed of everything random")->capture_default_str();
  app.add_option("--report", to.report, "Write a JSON report to this file (- = standard output)");
  app.add_option("--acks", to.acks, "Write acknowledged records to this file, for verify");
  app.add_flag("--quiet,-q", to.quiet, "No progress");
}

void add_run(CLI::App& app, RunOptions& run) {
  add_fleet_options(app, run);
  add_parsed(app, "--devices", run.devices, parse_count, "COUNT: devices, one connection each")
      ->required();
  app.add_option("--device-prefix", run.device_prefix, "Devices are named PREFIX0, PREFIX1, ...")
      ->capture_default_str();
  auto* rate = add_parsed(app, "--rate", run.rate, parse_number,
                          "RATE: messages per second of all devices together (open loop)");
  auto* flood =
      app.add_flag("--flood", run.flood, "As fast as acknowledgements come (closed loop)");
  auto* idle = app.add_flag("--idle", run.idle, "Only connect and keep alive");
  rate->excludes(flood)->excludes(idle);
  flood->excludes(idle);
  add_word<Arrival>(app, "--arrival", run.arrival,
                    {{"fixed", Arrival::fixed}, {"poisson", Arrival::poisson}},
                    "Spacing of an open loop (default fixed)");
  add_parsed(app, "--duration", run.duration_ns, parse_duration_ns,
             "TIME: how long to send (default 30s; with --stop-after no limit)");
  add_parsed(app, "--warm-up", run.warm_up_ns, parse_duration_ns,
             "TIME: send for so long before measuring");
  add_parsed(app, "--stop-after", run.stop_after, parse_count, "COUNT: messages to send in all");
  app.add_option("--payload", run.payload,
                 "env (7 fields), small, a SIZE in bytes, or FILE.ndjson[.gz] of JSON objects")
      ->capture_default_str();
  app.footer(kExamples);
}

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

void add_verify(CLI::App& app, VerifyOptions& verify) {
  app.add_option("--acks", verify.acks, "File that run or replay wrote")->required();
  app.add_option("--api", verify.api, "Base URL of the API, http://HOST:PORT")->required();
  add_parsed(app, "--sample", verify.sample, parse_count, "COUNT: check only so many, at random");
  app.add_flag("--partial", verify.partial,
               "The generator was killed: take an acks file without its end line");
  app.add_option("--seed", verify.seed, "Seed of the sample")->capture_default_str();
  app.add_option("--patience", verify.patience_s, "Seconds to wait for an API that is not ready")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
  app.add_option("--json", verify.json, "Write a JSON report to this file (- = standard output)");
  app.add_flag("--quiet,-q", verify.quiet, "No progress");
  app.footer(
      "Example:\n  spate-loadgen verify --acks acks.txt --api http://127.0.0.1:8080\n\n"
      "Every acknowledged record must be stored once with its values. Records that are stored\n"
      "without acknowledgement are allowed and counted.");
}

/// Null, or what is wrong with options that are each right.
const char* fault_of(const FleetOptions& fleet) {
  if (fleet.window > 32'768) {
    return "--window is at most 32768";
  }
  if (fleet.connect_timeout_ns == 0) {
    return "--connect-timeout is above 0";
  }
  if (!fleet.acks.empty() && fleet.qos == 0) {
    return "--acks needs --qos 1 or 2: messages of QoS 0 are not acknowledged";
  }
  if (fleet.clean && fleet.reconnect && fleet.qos == 2) {
    return "--clean with --reconnect would store messages of QoS 2 twice; leave --clean out";
  }
  return wire::topic_name_fault(fleet.topic);
}

const char* fault_of(const RunOptions& run) {
  if (run.devices == 0 || run.devices > 10'000'000) {
    return "--devices is from 1 to 10,000,000";
  }
  if (!run.idle && !run.flood && run.rate <= 0) {
    return "say how much to send: --rate R, --flood or --idle";
  }
  if (run.duration_ns == 0 && run.stop_after == 0) {
    return "--duration is above 0";
  }
  return fault_of(static_cast<const FleetOptions&>(run));
}

const char* fault_of(const Options& options) {
  switch (options.command) {
  case Command::run:
    return fault_of(options.run);
  case Command::replay:
    return fault_of(static_cast<const FleetOptions&>(options.replay));
  case Command::verify:
    return nullptr;
  }
  return nullptr;
}

} // namespace

std::optional<Options> parse_options(int argc, char** argv, int& exit_code) {
  Options options;
  options.command_line.assign(argv, argv + argc);
  CLI::App app(kAbout, "spate-loadgen");
  app.set_version_flag("--version", "spate-loadgen " + std::string(kVersion));
  app.require_subcommand(1);
  app.footer(kExamples);
  auto* run = app.add_subcommand("run", "Simulate a fleet with generated telemetry");
  auto* replay = app.add_subcommand("replay", "Send recorded telemetry at its recorded pace");
  auto* verify = app.add_subcommand("verify", "Read acknowledged records back over HTTP");
  add_run(*run, options.run);
  add_replay(*replay, options.replay);
  add_verify(*verify, options.verify);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, std::cout, std::cerr);
    exit_code = code == 0 ? kExitOk : kExitUsage;
    return std::nullopt;
  }
  options.command = run->parsed()      ? Command::run
                    : replay->parsed() ? Command::replay
                                       : Command::verify;
  RunOptions& generated = options.run;
  if (run->get_option("--duration")->count() == 0 &&
      (generated.stop_after == 0 || generated.idle)) {
    generated.duration_ns = 30'000'000'000;
  }
  if (const char* fault = fault_of(options)) {
    std::fprintf(stderr, "spate-loadgen: %s\nRun with --help for more information.\n", fault);
    exit_code = kExitUsage;
    return std::nullopt;
  }
  return options;
}

} // namespace spate::loadgen
