// Spate - what a load test is made of: cohorts of devices, stages of load, faults, objectives.
//
// A scenario is data. It comes from a TOML file (read_scenario.hpp), from the options of a command,
// or over the network to an agent, and is turned into a fleet in one place (plan.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loadgen/load/replay_file.hpp"
#include "loadgen/load/schedule.hpp"
#include "loadgen/load/sensor_models.hpp"

namespace spate::loadgen {

/// TLS of a cohort's connections. Paths of PEM files.
struct TlsPlan {
  std::string ca;               ///< Empty: the system's.
  std::string certificate, key; ///< Empty: none. {device} stands for the device.
  std::string server_name;      ///< Empty: the target's host.
  bool verify = true;
  bool operator==(const TlsPlan&) const = default;
};

/// When the devices of a cohort speak.
struct Pace {
  enum class Kind : std::uint8_t {
    idle,    ///< Connections only.
    every,   ///< Open loop: each device once in `every_ns`.
    flood,   ///< Closed loop: as fast as the windows let it.
    recorded ///< As in the recording.
  };
  Kind kind = Kind::idle;
  std::int64_t every_ns = 0;
  Arrival arrival = Arrival::fixed;
  /// A herd: all devices within `spread_ns` at the begin of each `every_ns`; 0: evenly over it.
  std::int64_t herd_spread_ns = 0;
  /// A day's wave over the rate: from `diurnal_low` (of 1) to 1 and back in this time; 0: none.
  std::int64_t diurnal_period_ns = 0;
  double diurnal_low = 0.2;
  std::int64_t diurnal_peak_ns = 0; ///< When in the period the rate is highest.
  bool operator==(const Pace&) const = default;
};

struct ReplaySource {
  std::string file;
  double speed = 1; ///< 0: as fast as possible.
  bool loop = false;
  bool shift_to_now = false;
  ReplayForm form = ReplayForm::flat;
  bool operator==(const ReplaySource&) const = default;
};

/// Devices that are alike.
struct Cohort {
  std::string name = "devices";
  std::uint32_t devices = 0;
  /// Their names; {n} counts from `first`; {recorded} is the name in a recording.
  std::string device = "{cohort}-{n}";
  std::uint64_t first = 0;
  std::string client_id = "{device}";
  std::string user, password; ///< Empty: none. {device} stands for the device.
  std::optional<TlsPlan> tls;
  std::string topic = "devices/{device}/telemetry";
  int mqtt = 5;
  int qos = 1;
  bool clean = true;
  bool reconnect = false;
  std::uint16_t keep_alive_s = 60;
  std::uint32_t window = 0;                 ///< Unacknowledged messages; 0: by pace.
  std::uint32_t devices_per_connection = 1; ///< Above 1: gateways.
  double connects_per_s = 0;                ///< 0: as fast as the server answers.
  Pace pace;
  std::uint64_t messages = 0; ///< Sent in all at most; 0: no limit.
  std::string subscribe; ///< A topic filter, {device} within; empty: none. What comes is counted.
  int subscribe_qos = 0;
  std::string payload = "env"; ///< A name of Scenario::payloads, or what load_templates() takes.
  std::optional<ReplaySource> replay; ///< With Pace::recorded; then `devices` comes from the file.
  std::int64_t answer_after_ns =
      -1; ///< Takes commands and answers after that time; -1: takes none.
  std::int64_t answer_jitter_ns = 0;
  bool operator==(const Cohort&) const = default;
};

/// A stretch of the run. The level goes from `from` to `to` and multiplies the rate of open loops.
struct Stage {
  std::string name;
  std::int64_t duration_ns = 0;
  double from = 1, to = 1;
  bool measured = true;             ///< False: warm-up; only stages at the begin may be.
  std::vector<std::string> cohorts; ///< Empty: all. The others rest.
  bool operator==(const Stage&) const = default;
};

struct Fault {
  enum class Kind : std::uint8_t {
    // Of connections; `share` is of the devices.
    reconnect_storm, ///< Cut at once; all come back within `back_within_ns`.
    slow_reader,     ///< Read no more than `bytes_per_s`.
    half_open,       ///< `count` more connections that never say CONNECT.
    silent_cut,      ///< Nothing is sent or read any more, without FIN; then back on a new socket.
    credential_expiry, ///< Reconnect with a wrong password.
    // Of messages; `share` is of the messages.
    clock_skew,   ///< Device times are `by_ns` off.
    duplicates,   ///< Sent twice.
    out_of_order, ///< Device times up to `by_ns` before the one sent before.
    malformed,
    oversized ///< `bytes` long.
  };
  Kind kind = Kind::reconnect_storm;
  std::int64_t at_ns = 0;       ///< After the begin of the load.
  std::int64_t duration_ns = 0; ///< 0: until the end; of a reconnect storm: none.
  std::string cohort;           ///< Empty: all.
  double share = 1;
  std::int64_t by_ns = 0;
  std::int64_t back_within_ns = 0;
  std::uint32_t count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_per_s = 0;
  bool operator==(const Fault&) const = default;
};

/// Commands posted over HTTP to a cohort that answers them.
struct CommandTraffic {
  std::string cohort;
  double rate = 0;
  bool poisson = false;
  std::string name = "set";
  std::string args = R"({"level":1})";  ///< JSON.
  std::string priority;                 ///< Empty: not named.
  std::string http = "127.0.0.1:8080";  ///< The node's API.
  int wait_s = 10;                      ///< For an answer, of the request
  std::int64_t ttl_ns = 0;              ///< and of the command; 0: the same.
  std::uint32_t connections = 64;       ///< Open from the start,
  std::uint32_t connections_max = 1024; ///< and at most.
  bool operator==(const CommandTraffic&) const = default;
};

struct Scenario {
  std::string name;
  std::string about;  ///< One sentence: what it shows.
  std::string target; ///< mqtt://HOST:PORT or mqtts://HOST:PORT.
  std::uint64_t seed = 1;
  std::int64_t drain_ns = 10'000'000'000;
  std::int64_t connect_timeout_ns = 30'000'000'000;
  std::vector<Cohort> cohorts;
  std::vector<NamedModels> payloads;
  std::vector<Stage> stages;
  std::vector<Fault> faults;
  std::optional<CommandTraffic> commands;
  std::vector<std::string> objectives; ///< "ack_p99<50ms".
  bool operator==(const Scenario&) const = default;
};

[[nodiscard]] std::string_view name_of(Fault::Kind kind) noexcept;

} // namespace spate::loadgen
