// The options of commands that simulate devices: run and commands, and what replay shares.
#include "loadgen/option_words.hpp"
#include "loadgen/report/objectives.hpp"

namespace spate::loadgen {

const char* const kExamples =
    "Examples:\n"
    "  Where do I begin?\n"
    "    spate-loadgen run steady\n"
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
    "  How long do commands take while 10,000 devices flood the server?\n"
    "    spate-loadgen commands --target mqtt://127.0.0.1:1883 --devices 10000 --flood "
    "--commands-per-s 500\n"
    "  Is every acknowledged record stored, once, with its values?\n"
    "    spate-loadgen run --target mqtt://127.0.0.1:1883 --devices 50 --rate 5k --ledger acked\n"
    "    spate-loadgen verify --ledger acked --api http://127.0.0.1:8080\n\n"
    "Exit codes: 0 ok; 1 something failed, was lost or is missing; 2 wrong usage; "
    "3 an objective was missed.";

namespace {

/// What run and commands have in common.
void add_load_options(CLI::App& app, RunOptions& run, const std::string& duration_default) {
  add_fleet_options(app, run);
  add_parsed(app, "--devices", run.devices, parse_count, "COUNT: devices, one connection each");
  app.add_option("--device-prefix", run.device_prefix, "Devices are named PREFIX0, PREFIX1, ...")
      ->capture_default_str();
  add_word<Arrival>(app, "--arrival", run.arrival,
                    {{"fixed", Arrival::fixed}, {"poisson", Arrival::poisson}},
                    "Spacing of an open loop (default fixed)");
  add_parsed(app, "--duration", run.duration_ns, parse_duration_ns,
             "TIME: how long to send (default " + duration_default + ")");
  add_parsed(app, "--warm-up", run.warm_up_ns, parse_duration_ns,
             "TIME: send for so long before measuring");
  app.add_option("--payload", run.payload,
                 "env (7 fields), small, a SIZE in bytes, or FILE.ndjson[.gz] of JSON objects")
      ->capture_default_str();
}

} // namespace

void add_fleet_options(CLI::App& app, FleetOptions& to) {
  app.add_option(
         "--target", to.target,
         "MQTT server, mqtt://HOST:PORT or mqtts://HOST:PORT; several by commas for --agents, "
         "which take them in turn")
      ->capture_default_str();
  app.add_option("--user", to.user, "User name; {device} stands for the device");
  app.add_option("--password", to.password, "Password; {device} stands for the device");
  app.add_option("--ca", to.ca, "mqtts: certificates to trust, PEM (default: the system's)");
  auto* certificate =
      app.add_option("--certificate", to.certificate,
                     "mqtts: the devices' certificate, PEM; {device} stands for the device");
  auto* key = app.add_option("--key", to.key, "mqtts: its key, PEM");
  certificate->needs(key);
  key->needs(certificate);
  app.add_flag("--insecure", to.insecure, "mqtts: take any certificate of the server");
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
  add_parsed(
      app, "--answer-after", to.answer_after_ns,
      [](const std::string& word) {
        return word == "none" ? Result<std::int64_t>(kNoAnswers) : parse_duration_ns(word);
      },
      "TIME|none: devices subscribe to devices/{device}/commands/# and answer each command after "
      "so long; 0 = at once (default none; commands: 0)");
  add_parsed(app, "--answer-jitter", to.answer_jitter_ns, parse_duration_ns,
             "TIME: up to this more for each answer, at random");
  add_parsed(app, "--drain", to.drain_ns, parse_duration_ns,
             "TIME: wait for missing acknowledgements at the end (default 10s); without a duration "
             "also how long nothing may move");
  app.add_option("--seed", to.seed, "Seed of everything random")->capture_default_str();
  add_report_options(app, to);
  app.add_option("--ledger", to.ledger, "Write acknowledged records to this file, for verify");
  app.add_option("--receive", to.receive,
                 "FILE[:FILTER]: subscribe at QoS 1 and write what is received to this file, for "
                 "verify (default filter: all topics of the devices)");
  app.add_option("--receive-connections", to.receive_connections,
                 "Subscribers that share it (MQTT 5), each with a thread")
      ->check(CLI::Range(1u, 64u))
      ->capture_default_str();
  add_agents(app, to);
  app.add_flag("--quiet,-q", to.quiet, "No progress");
}

void add_run(CLI::App& app, RunOptions& run) {
  add_load_options(app, run, "30s; with --stop-after no limit");
  auto* rate = add_parsed(app, "--rate", run.rate, parse_number,
                          "RATE: messages per second of all devices together (open loop)");
  auto* flood =
      app.add_flag("--flood", run.flood, "As fast as acknowledgements come (closed loop)");
  auto* idle = app.add_flag("--idle", run.idle, "Only connect and keep alive");
  rate->excludes(flood)->excludes(idle);
  flood->excludes(idle);
  add_parsed(app, "--stop-after", run.stop_after, parse_count, "COUNT: messages to send in all");
  app.footer(kExamples + ("\n\n" + metrics_text()));
}

void add_commands(CLI::App& app, CommandsOptions& commands) {
  app.add_option("--http", commands.http, "The node's API, HOST:PORT")->capture_default_str();
  add_parsed(app, "--commands-per-s", commands.commands_per_s, parse_number,
             "RATE: commands posted per second, to devices in random order (default 500)");
  app.add_flag("--poisson", commands.poisson,
               "Commands come at random (exponential gaps) instead of evenly");
  app.add_option("--wait", commands.wait_s, "Seconds that a request waits for the answer")
      ->check(CLI::Range(1, kCommandWaitSMax))
      ->capture_default_str();
  add_parsed(app, "--ttl", commands.ttl_ns, parse_duration_ns,
             "TIME: how long a command lives (default: the wait)");
  app.add_option("--command", commands.name, "Name of the command")->capture_default_str();
  app.add_option("--args", commands.args, "Its arguments, JSON")->capture_default_str();
  add_word<std::string>(app, "--priority", commands.priority,
                        {{"normal", "normal"}, {"urgent", "urgent"}},
                        "Priority of the commands (default: the node's)");
  add_parsed(app, "--http-connections", commands.connections, parse_count,
             "COUNT: connections to the API, open from the start (default 64)");
  add_parsed(app, "--http-connections-max", commands.connections_max, parse_count,
             "COUNT: more are opened while all are busy, up to so many (default 1024); then "
             "commands wait, and the wait counts as latency");
  app.add_option(
      "--hdr", commands.hdr,
      "Write the latencies to this file as HdrHistogram percentiles, in ms; it is left as "
      "it is if no command could be posted");
  add_load_options(app, commands, "30s");
  auto* rate = add_parsed(app, "--rate", commands.rate, parse_number,
                          "RATE: telemetry beside the commands, messages per second (open loop)");
  auto* flood = app.add_flag("--flood", commands.flood,
                             "Telemetry beside the commands, as fast as it is acknowledged");
  rate->excludes(flood);
  app.footer(
      "Examples:\n"
      "  spate-loadgen commands --target mqtt://127.0.0.1:1883 --devices 100\n"
      "  spate-loadgen commands --target mqtt://127.0.0.1:1883 --http 127.0.0.1:8080 --devices "
      "10000\n"
      "    --flood --window 20 --commands-per-s 500 --duration 30s --report out.json --hdr out.hgrm"
      "\n\n"
      "Latency counts from the time at which a command was due, not from when it could be posted.");
}

} // namespace spate::loadgen
