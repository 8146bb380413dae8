// Spate - the threads of a run and its phases: connect, load, drain, close.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/net/listener.hpp"
#include "loadgen/fleet/device_group.hpp"
#include "loadgen/fleet/sources.hpp"
#include "loadgen/fleet/stats.hpp"
#include "loadgen/fleet/tls_client.hpp"

namespace spate::loadgen {

/// What a thread has done so far with its part of a cohort, for the others to read.
struct GroupState {
  std::atomic<std::uint64_t> online{0};
  std::atomic<std::uint64_t> subscribed{0};
  std::atomic<std::uint64_t> settled{0};
  std::atomic<std::uint64_t> seen{0};
  std::atomic<std::uint64_t> gone{0};
  std::atomic<std::uint64_t> in_flight{0};
  std::atomic<std::uint64_t> waiting{0};
  std::atomic<std::uint64_t> moves{0};
  std::atomic<std::uint64_t> open{0};
  std::atomic<bool> all_sent{false};
  std::atomic<bool> drained{false};
};

struct WorkerState {
  std::atomic<int> step{0};             ///< Orders that were carried out: 1 begin, 2 end, 3 finish.
  std::atomic<std::int64_t> cpu_ns{0};  ///< CPU time of the thread while it sent.
  std::atomic<std::int64_t> wait_ns{0}; ///< Time that it was ready to run and had no core.
};

/// Which devices should get a command any moment: their sockets are read before the others of their
/// thread, so that a device of a flood answers as soon as one that has a machine of its own.
/// Thread: any.
class Expecting {
public:
  virtual ~Expecting() = default;
  /// One command more, or one less, is under way to device number `device` of the cohort
  /// FleetPlan::commanded.
  virtual void expect(std::uint32_t device, bool under_way) = 0;
};

/// What runs beside the load of a fleet, on threads of its own: commands to its devices.
/// Thread: all calls come from the thread of Fleet::run().
class Companion {
public:
  virtual ~Companion() = default;
  /// All devices are ready that ever will be. The load begins at `start_ns`, and counts for
  /// latencies from `measure_from_ns` on. Nothing that is due at `end_ns` or later is sent.
  /// `expecting` is borrowed until release().
  virtual void begin(std::int64_t start_ns, std::int64_t measure_from_ns, std::int64_t end_ns,
                     Expecting& expecting) = 0;
  /// The fleet goes: `expecting` is not used any more after the call.
  virtual void release() = 0;
  /// The end comes earlier, or is known only now.
  virtual void stop(std::int64_t end_ns) = 0;
  /// After stop(): nothing waits for being sent or answered.
  [[nodiscard]] virtual bool drained() const = 0;
};

/// Devices that are alike, on all threads together.
struct CohortPlan {
  std::string name;
  DeviceNames names;                     ///< Of its devices.
  DeviceNames clients;                   ///< Client identifiers: one a connection.
  std::uint32_t members = 1;             ///< Devices behind a connection; the last may have fewer.
  GroupPlan group;                       ///< Rates of the whole cohort; each thread gets its share.
  std::shared_ptr<const TlsContext> tls; ///< Null: plain TCP.
  /// The load of one thread's share; null for none. Called before the threads start.
  std::function<std::unique_ptr<Load>(const DeviceShare& share)> make_load;
};

struct FleetPlan {
  net::Address target;
  SourcePool sources;
  std::vector<CohortPlan> cohorts;
  std::size_t commanded = 0; ///< The cohort that the companion's commands go to.
  std::uint32_t threads = 1;
  bool precise = false; ///< Poll without waiting while a message is due within a millisecond.
  std::int64_t warm_up_ns = 0;
  std::int64_t duration_ns = 0; ///< 0: until the load ends by itself, or nothing moves any more.
  /// For missing acknowledgements at the end. A load without a duration that waits so long for any
  /// has ended.
  std::int64_t drain_ns = 10'000'000'000;
  Companion* companion = nullptr; ///< Borrowed; null for none.
  /// Asked while all connections are there: the steady time at which the load begins, or nothing
  /// yet. Empty: it begins at once.
  std::function<std::optional<std::int64_t>()> start_at;
  /// Each second of the timeline, and what was counted in it.
  std::function<void(const Second&, const Stats&)> on_second;

  [[nodiscard]] std::uint64_t connections() const noexcept;
};

enum class Phase : std::uint8_t { connecting, warming_up, sending, draining, closing, done };
[[nodiscard]] std::string_view name_of(Phase phase) noexcept;

struct FleetProgress {
  Phase phase = Phase::connecting;
  double elapsed_s = 0; ///< Since the phase of the load began; before it, since the start.
  std::uint64_t connections = 0, online = 0, settled = 0, gone = 0, in_flight = 0;
};

/// What became of one cohort.
struct CohortResult {
  std::string name;
  std::uint64_t devices = 0;
  std::uint64_t connections = 0;
  std::uint64_t connected = 0;  ///< Connections online when the load began.
  std::uint64_t subscribed = 0; ///< Of them, those that could be commanded.
  std::uint64_t seen = 0;       ///< Connections that were online at least once.
  Stats stats;
};

struct FleetResult {
  std::vector<CohortResult> cohorts;
  // Of all cohorts together.
  Stats stats;
  std::vector<Second> timeline;
  std::uint64_t devices = 0, connections = 0, connected = 0, subscribed = 0, seen = 0;
  double connect_s = 0;  ///< From the start to the last CONNACK.
  double measured_s = 0; ///< After the warm-up until the end of sending.
  double sending_s = 0;  ///< With the warm-up.
  double drain_s = 0;
  std::vector<double> cpu_share;  ///< Of each thread while it sent, of one core.
  std::vector<double> wait_share; ///< Waiting for a core.
  double cpu_s = 0;               ///< All threads, while sending.
  /// Turns of all loops that read or wrote, in ns; each weighted by its length in us.
  Histogram sweep;
  bool interrupted = false;
  bool stalled = false; ///< Ended early: nothing was sent or answered any more.
};

/// How long a cohort may take to connect: a timeout beyond its ramp. Without a ramp the server sets
/// the pace, and one that takes less than 500 connections a second is taken for one that hangs.
[[nodiscard]] std::int64_t connect_limit_ns(std::size_t connections, double connects_per_s,
                                            std::int64_t timeout_ns) noexcept;

/// Runs a fleet from start to end.
/// Thread: the caller's.
class Fleet final : private Expecting {
public:
  /// Called about every `kWatchMs` on the thread of run(), with what was counted since the last
  /// call.
  using Watch = std::function<void(const FleetProgress&, const StatsBoards&)>;
  static constexpr int kWatchMs = 100;
  static constexpr std::size_t kTimelineSecondsMax = 86'400;

  /// `stop` ends the sending early; what is unanswered is still waited for. A signal handler may
  /// set it.
  Fleet(FleetPlan plan, const std::atomic<bool>& stop);
  ~Fleet() override;
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  FleetResult run(const Watch& watch);

private:
  class Worker;

  void expect(std::uint32_t device, bool under_way) override;
  [[nodiscard]] FleetProgress progress(Phase phase, std::int64_t since_ns) const;
  bool wait(Phase phase, std::int64_t since_ns, std::int64_t until_ns,
            const std::function<bool()>& done, const Watch& watch);
  /// What was published since the last one, with the states of `now`.
  void take_second(const FleetProgress& now);
  /// All threads have carried out the order `step`, and all groups raised the flag.
  [[nodiscard]] bool all(int step, std::atomic<bool> GroupState::*flag) const;
  void send_load(const Watch& watch);
  /// Nothing can move any more, or nothing has for the time of drain_ns.
  [[nodiscard]] bool stuck();
  [[nodiscard]] std::uint64_t sum(std::atomic<std::uint64_t> GroupState::*what) const;
  void sum_by_cohort(std::atomic<std::uint64_t> GroupState::*what, std::uint64_t CohortResult::*to);

  FleetPlan plan_;
  const std::uint64_t connections_;
  StatsBoards boards_;
  std::vector<std::unique_ptr<Worker>> workers_;
  const std::atomic<bool>& stop_;
  std::int64_t load_start_ns_ = 0;
  std::uint64_t moves_ = 0;   ///< What stuck() saw last,
  std::int64_t moved_ns_ = 0; ///< and when it last saw more or nothing to wait for.
  FleetResult result_;
};

} // namespace spate::loadgen
