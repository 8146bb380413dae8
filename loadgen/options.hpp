// Spate - the command line of spate-loadgen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loadgen/exit_codes.hpp"
#include "loadgen/load/replay_file.hpp"
#include "loadgen/load/schedule.hpp"

namespace spate::loadgen {

inline constexpr std::int64_t kNoAnswers = -1;
inline constexpr int kCommandWaitSMax = 60; ///< The node takes no longer Prefer: wait.

/// What run, replay and commands have in common.
struct FleetOptions {
  std::string target = "mqtt://127.0.0.1:1883";
  std::string user, password; ///< {device} stands for the device.
  std::string ca, certificate, key;
  bool insecure = false; ///< Take any certificate of the server.
  std::string topic = "devices/{device}/telemetry";
  int qos = 1;
  int mqtt = 3;
  std::uint32_t window = 0; ///< 0: the command's default.
  std::uint32_t threads = 1;
  std::uint16_t keep_alive_s = 60;
  double connects_per_s = 0;
  bool clean = false;
  bool reconnect = false;
  bool precise = false;
  std::int64_t connect_timeout_ns = 30'000'000'000;
  std::string sources = "auto";
  std::int64_t answer_after_ns = kNoAnswers; ///< Then devices do not subscribe to commands.
  std::int64_t answer_jitter_ns = 0;
  std::int64_t drain_ns = 10'000'000'000;
  std::uint64_t seed = 1;
  std::string report;
  std::vector<std::string> objectives;
  std::vector<int> server_pids;
  std::string server_metrics;
  std::vector<std::string> server_counters;
  std::string ledger;
  std::string agents, agents_token_file; ///< Empty: none.
  std::string receive;                   ///< FILE or FILE:FILTER; empty: there is no subscriber.
  std::uint32_t receive_connections = 1;
  bool quiet = false;
};

struct RunOptions : FleetOptions {
  std::string scenario; ///< Then target and seed only count if they are named.
  bool target_named = false, seed_named = false;
  std::uint32_t devices = 0;
  std::string device_prefix = "dev-";
  double rate = 0;
  bool flood = false;
  bool idle = false;
  Arrival arrival = Arrival::fixed;
  std::int64_t duration_ns = 0; ///< 0: until stop_after.
  std::int64_t warm_up_ns = 0;
  std::uint64_t stop_after = 0;
  std::string payload = "env";
};

struct ReplayOptions : FleetOptions {
  std::string file;
  std::string device_prefix;
  double speed = 1; ///< 0: as fast as possible.
  bool loop = false;
  bool shift_to_now = false;
  ReplayForm form = ReplayForm::flat;
};

/// `rate` and `flood` are the telemetry beside the commands; neither: none.
struct CommandsOptions : RunOptions {
  CommandsOptions() {
    answer_after_ns = 0;
    duration_ns = 30'000'000'000;
  }
  std::string http = "127.0.0.1:8080";
  double commands_per_s = 500;
  bool poisson = false;
  int wait_s = 10;
  std::int64_t ttl_ns = 0; ///< 0: as long as the wait.
  std::string name = "set";
  std::string args = R"({"level":1})";
  std::string priority; ///< Empty: not named.
  std::uint32_t connections = 64;
  std::uint32_t connections_max = 1024;
  std::string hdr;
};

struct VerifyOptions {
  std::string ledger;
  std::string received; ///< The ledger of a subscriber; or else
  std::string api;      ///< the API.
  bool allow_doubled = false;
  std::uint64_t sample = 0; ///< 0: all.
  std::uint64_t seed = 1;
  bool partial = false;
  int patience_s = 30;
  std::string json;
  bool quiet = false;
};

struct CompareOptions {
  std::vector<std::string> sides; ///< Files, joined by commas.
  std::vector<std::string> fail_above, fail_below;
  std::string json;
  std::uint64_t seed = 1;
};

struct CompareServersOptions {
  std::string scenario; ///< A path or a name.
  /// As parse_server() takes them; none: those that are installed.
  std::vector<std::string> servers;
  std::uint32_t repetitions = 3;
  std::uint32_t threads = 1;
  int mqtt = 0; ///< Instead of what the scenario says; 0: as it says.
  std::string out = "compare-servers";
  std::vector<std::string> fail_above, fail_below;
  std::uint64_t seed = 1;
};

struct LedgerOptions {
  std::string file;
  bool text = false;
  bool partial = false;
  std::string import; ///< Lines to make the file of; empty: it is read.
};

struct AgentOptions {
  std::string listen = "127.0.0.1:7300";
  std::string token_file; ///< Empty: none, and loopback only.
  bool once = false;
};

/// Of the commands about scenarios.
struct ScenarioOptions {
  std::string scenario;   ///< A path or a name.
  bool print = false;     ///< check: as it was understood.
  bool reference = false; ///< schema: for people.
};

struct Options {
  int (*command)(const Options&) = nullptr; ///< Of those below.
  std::vector<std::string> command_line;
  RunOptions run;
  ReplayOptions replay;
  CommandsOptions commands;
  VerifyOptions verify;
  CompareOptions compare;
  CompareServersOptions compare_servers;
  LedgerOptions ledger;
  AgentOptions agent;
  ScenarioOptions scenarios;
};

/// Reads the command line. If there is nothing to run (--help, a wrong option), it has printed why
/// and `exit_code` says how to end.
std::optional<Options> parse_options(int argc, char** argv, int& exit_code);

// One command each; they print their results and return the exit code.
int run_command(const Options& options);
int replay_command(const Options& options);
int commands_command(const Options& options);
int verify_command(const Options& options);
int compare_command(const Options& options);
int compare_servers_command(const Options& options);
int ledger_command(const Options& options);
int agent_command(const Options& options);
int check_command(const Options& options);
int scenarios_command(const Options& options);
int schema_command(const Options& options);

} // namespace spate::loadgen
