// Spate - the devices of one thread: who connects when, who sends what, what came back.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "loadgen/fleet/client_session.hpp"
#include "loadgen/fleet/connection_fault.hpp"
#include "loadgen/fleet/device_commands.hpp"
#include "loadgen/fleet/stats.hpp"
#include "loadgen/load/load.hpp"
#include "loadgen/proof/ledger_block.hpp"

namespace spate::loadgen {

/// The connections below a group, one a device. Tests put a pretended server here.
class Port {
public:
  virtual ~Port() = default;
  /// Starts to connect; DeviceGroup::on_open or on_closed follows, never within the call. Errors:
  /// connect_failed.
  virtual Result<void> connect(std::uint32_t device) = 0;
  /// The buffer that goes out next; sent() tells that something was added.
  virtual std::string& output(std::uint32_t device) = 0;
  virtual void sent(std::uint32_t device) = 0;
  /// Writes what is in output() now.
  virtual void flush(std::uint32_t) {}
  /// Bytes that the network has not taken yet.
  [[nodiscard]] virtual std::size_t unsent_bytes(std::uint32_t device) const = 0;
  /// Sends what is left and closes.
  virtual void close(std::uint32_t device) = 0;
  virtual void abort(std::uint32_t device) = 0;

  // For faults.
  virtual void pause_reading(std::uint32_t, bool) {}
  /// Leaves the connection open, unread and unused until unpark() at `until_ns` or later, or until
  /// the group ends; it is the group's no more, and another may be connected.
  virtual void park(std::uint32_t /*device*/, std::int64_t /*until_ns*/) {}
  virtual void unpark(std::int64_t /*now_ns*/) {}
  /// One more connection that never says anything, of fault number `fault`; on_silent_open(), then
  /// on_silent_closed(), or only on_silent_failed() follow. Errors: connect_failed.
  virtual Result<void> open_silent(std::size_t /*fault*/) { return {}; }
  /// Closes those of the fault; no call follows for them.
  virtual void close_silent(std::size_t /*fault*/) {}
};

struct GroupPlan {
  SessionOptions session;
  bool reconnect = false;
  std::int64_t answer_after_ns = 0;  ///< With session.commands: from the command to its answer,
  std::int64_t answer_jitter_ns = 0; ///< and up to this more, at random.
  double connects_per_s = 0;         ///< 0: as fast as connecting_max lets it.
  std::uint32_t connecting_max = 64; ///< Between connect() and CONNACK; many servers queue 100.
  std::int64_t connect_timeout_ns = 30'000'000'000;
  std::uint64_t seed = 1;
  std::vector<ConnectionFault> faults;
  std::uint32_t ledger_cohort = 0;
  std::function<void(LedgerBlock)> write_ledger; ///< What was acknowledged; empty: is not kept.
};

/// Plain logic with time as an argument: the same code runs on a loop and under a pretended clock.
///
/// Flow:   Load -> take() -> session -> Port; Port -> on_bytes() -> session -> Stats and ledger.
///         A command -> DeviceCommands -> its answer when due, written at once, before telemetry
/// Thread: one, the loop's.
/// Honesty: a message waits for a full window or a lost connection in its device's backlog and
/// keeps its intended
///          time. When the backlogs are full, the load is not asked; what it holds is due all the
///          same.
class DeviceGroup final : private SessionEvents {
public:
  static constexpr std::size_t kBacklogMax = 500'000; ///< Messages that wait, of all together.
  static constexpr std::size_t kUnsentBytesMax = std::size_t{1}
                                                 << 20; ///< A connection above it gets no more.

  /// `load` may be null (connect only). Borrows `port` and `load`.
  DeviceGroup(GroupPlan plan, const DeviceShare& share, Load* load, Port& port);
  DeviceGroup(const DeviceGroup&) = delete; // Sessions refer to it.
  DeviceGroup& operator=(const DeviceGroup&) = delete;
  ~DeviceGroup() override = default;

  // What the thread calls.
  void start_connecting(std::int64_t now_ns);
  /// The load's schedule begins at `start_ns`; only what is due from `measure_from_ns` on counts in
  /// the latencies. Without `reconnect`, devices that are not connected by now are given up.
  /// Nothing that is due at `end_ns` or later is sent, however late stop() comes.
  void begin(std::int64_t start_ns, std::int64_t measure_from_ns, std::int64_t now_ns,
             std::int64_t wall_ms, std::int64_t end_ns = Load::kNever);
  /// Nothing that is due at `end_ns` or later is sent; what was due before or waits still is.
  void stop(std::int64_t end_ns);
  /// About every millisecond.
  void tick(std::int64_t now_ns, std::int64_t wall_ms);
  /// Between two turns of the loop. True if there is more to do at once (a flood of QoS 0).
  bool between(std::int64_t now_ns, std::int64_t wall_ms);
  /// Counts what is unanswered as lost and what was due as unsent, then disconnects everyone.
  void finish(std::int64_t now_ns);
  /// Hands over what was counted since the last call.
  void publish(StatsBoard& board);

  // What the port calls.
  void on_open(std::uint32_t device);
  std::size_t on_bytes(std::uint32_t device, std::string_view bytes, std::int64_t now_ns,
                       std::int64_t wall_ms);
  void on_closed(std::uint32_t device, std::string_view reason, std::int64_t now_ns);
  /// A connection of open_silent() is there, the server closed it, or it never opened.
  void on_silent_open() { ++recent_.half_open; }
  void on_silent_closed() { ++recent_.half_open_closed; }
  void on_silent_failed(std::string_view reason);

  [[nodiscard]] std::size_t size() const noexcept { return devices_.size(); }
  /// The largest packet that a device takes: so many bytes of one may wait for its rest.
  [[nodiscard]] std::size_t packet_bytes_max() const noexcept {
    return plan_.session.packet_bytes_max();
  }
  [[nodiscard]] std::size_t online() const noexcept { return online_; }
  /// Devices that are online and may get commands.
  [[nodiscard]] std::size_t subscribed() const noexcept { return subscribed_; }
  /// Devices that were online (with commands: subscribed) once or have failed for good.
  [[nodiscard]] std::size_t settled() const noexcept { return settled_; }
  /// Devices that were online at least once.
  [[nodiscard]] std::size_t seen() const noexcept { return seen_; }
  /// Devices that will not connect again.
  [[nodiscard]] std::size_t gone() const noexcept { return gone_; }
  [[nodiscard]] std::uint64_t in_flight() const noexcept { return in_flight_; }
  /// Messages that wait for being sent or answered.
  [[nodiscard]] std::uint64_t waiting() const noexcept { return in_flight_ + backlog_; }
  /// Counts up with every message that is sent or answered: the load moves.
  [[nodiscard]] std::uint64_t moves() const noexcept { return moves_; }
  [[nodiscard]] std::size_t open_connections() const noexcept { return open_; }
  /// The load has ended and nothing waits for being sent.
  [[nodiscard]] bool all_sent() const;
  /// all_sent() and everything is answered, commands too.
  [[nodiscard]] bool drained() const;
  /// When the next answer to a command is due; Load::kNever if none is.
  [[nodiscard]] std::int64_t next_answer_ns() const noexcept {
    return answers_due_.empty() ? Load::kNever : answers_due_.top().due_ns;
  }
  /// Sends the answers that are due. Part of tick(); also for a more precise caller.
  void answer_due(std::int64_t now_ns);

private:
  static constexpr std::uint32_t kNotSlow = ~std::uint32_t{0};
  struct Device {
    Device(const SessionOptions& options, const DeviceShare& share, std::uint32_t connection)
        : session(options, share, connection) {}
    ClientSession session;
    std::unique_ptr<std::deque<Message>> backlog; ///< Made when first needed.
    std::unique_ptr<DeviceCommands> commands;     ///< Made with the first command.
    std::int64_t connecting_since_ns = 0;
    std::int64_t last_sent_ns = 0;
    std::int64_t ping_sent_ns = 0; ///< 0: no PINGRESP is awaited.
    std::int64_t back_ns = 0;      ///< When it connects again, if it was cut.
    std::uint64_t unconfirmed = 0; ///< QoS 0: sent and not known to have arrived.
    std::uint64_t before_ping = 0; ///< QoS 0: of them, sent before the PINGREQ that is under way.
    /// QoS 0: of both, those that were sent in the time that is measured.
    std::uint64_t measured_unconfirmed = 0, measured_before_ping = 0;
    std::uint32_t attempts = 0;
    std::uint32_t slow_at = kNotSlow; ///< Its place in slow_.
    std::uint32_t pings = 0;          ///< PINGREQ without answer; above 1 only of a slow reader.
    bool open = false;
    bool settled = false;
    bool seen = false;    ///< Was online once.
    bool listed = false;  ///< In backlogged_.
    bool faulted = false; ///< Why it closes is already counted.
    bool gone = false;    ///< Will not connect again.
    bool cut = false;     ///< By a fault: it comes back when the fault says.
    bool expired = false; ///< Its credentials are wrong.
    bool knocks = false;  ///< They were in this connection's CONNECT,
    bool refused = false; ///< and the server said so.
  };
  struct SlowRead {
    std::uint32_t device;
    std::uint64_t bytes_per_s;
    std::int64_t until_ns;
    double allowance; ///< Bytes that may be read now; below 0 it waits.
    bool paused;
  };
  struct FaultState {
    bool begun = false, ended = false;
  };
  struct Retry {
    std::int64_t due_ns;
    std::uint32_t device;
    bool operator>(const Retry& other) const noexcept { return due_ns > other.due_ns; }
  };

  struct AnswerDue {
    std::int64_t due_ns;
    std::uint64_t number;
    std::uint32_t device;
    std::uint8_t slot;
    bool operator>(const AnswerDue& other) const noexcept { return due_ns > other.due_ns; }
  };

  void on_online(bool session_present) override;
  void on_subscribed() override;
  void on_message(const wire::Publish& publish) override;
  void on_command(const wire::Publish& publish) override;
  bool on_answer_acked(std::uint16_t id, wire::Reason reason) override;
  void on_answered(const Message& message, wire::Reason reason) override;
  void on_pong() override;

  void start_connects(std::int64_t now_ns);
  void connect(std::uint32_t index, std::int64_t now_ns);
  void failed(std::uint32_t index, std::int64_t now_ns);
  void give_up(Device& device);
  void give_up_connecting();
  void forget_unconfirmed(Device& device);
  void settle(Device& device);
  void deliver(const Due& due, std::int64_t now_ns);
  void send(std::uint32_t index, Message message, std::string& out, std::int64_t now_ns);
  /// Sends what may go now: the backlog, and in a closed loop new messages. Appends to the device's
  /// output.
  void pump(std::uint32_t index, std::string& out, std::int64_t now_ns, std::int64_t wall_ms);
  /// pump() as an event of its own.
  void serve(std::uint32_t index, std::int64_t now_ns, std::int64_t wall_ms);
  bool flood_unconfirmed(std::uint32_t index, std::int64_t now_ns, std::int64_t wall_ms);
  /// Writes what answers the device has ready, as far as the server takes them.
  void send_answers(std::uint32_t index, std::int64_t now_ns);
  void abandon_answers(Device& device);
  [[nodiscard]] bool is_ready(const Device& device) const noexcept {
    return device.session.state() == ClientSession::State::online &&
           (!plan_.session.subscribes() || device.session.subscribed());
  }
  /// Begins and ends faults that are due, and lets slow readers read.
  void run_faults(std::int64_t now_ns);
  void begin_fault(std::size_t number, std::int64_t now_ns);
  void end_fault(std::size_t number);
  void open_half(std::size_t number);
  [[nodiscard]] bool cut_for_good(const Device& device) const noexcept {
    return device.cut && device.back_ns == Load::kNever;
  }
  void fall_silent(std::uint32_t index, std::int64_t back_ns);
  void read_slowly(std::int64_t now_ns);
  void keep_alive(std::int64_t now_ns);
  void count_unanswered(const Device& device, const Message& message, std::uint64_t& lost);
  void ping(std::uint32_t index, std::int64_t now_ns);
  [[nodiscard]] bool measured(std::int64_t ns) const noexcept {
    return ns >= measure_from_ns_ && ns < measure_to_ns_;
  }

  const GroupPlan plan_;
  const DeviceShare share_;
  Load* const load_;
  Port& port_;
  std::vector<Device> devices_;
  Stats recent_;
  LedgerLines ledger_;
  Random random_;

  std::priority_queue<Retry, std::vector<Retry>, std::greater<>> retries_;
  /// At most DeviceCommands::kOpenMax a device.
  std::priority_queue<AnswerDue, std::vector<AnswerDue>, std::greater<>> answers_due_;
  std::uint64_t answers_open_ = 0;
  std::size_t subscribed_ = 0;
  std::vector<FaultState> fault_states_; ///< By GroupPlan::faults.
  std::vector<SlowRead> slow_;
  std::int64_t slow_ns_ = 0; ///< When read_slowly() was last called.
  std::int64_t load_start_ns_ = 0;
  std::vector<std::uint32_t> backlogged_;
  std::size_t backlog_ = 0;
  std::size_t next_connect_ = 0, connecting_ = 0, online_ = 0, settled_ = 0, open_ = 0;
  std::size_t seen_ = 0, gone_ = 0;
  std::uint64_t in_flight_ = 0;
  std::uint64_t unconfirmed_ = 0;
  std::uint64_t moves_ = 0;
  std::int64_t connect_start_ns_ = 0;
  std::int64_t measure_from_ns_ = Load::kNever, measure_to_ns_ = Load::kNever;
  std::int64_t end_ns_ = Load::kNever; ///< As begin() was told.
  std::int64_t keep_alive_ns_ = 0;
  bool begun_ = false, finished_ = false;
  bool behind_ =
      false; ///< The load was held back because the server is behind: its lateness is not ours.

  // The event that is being handled.
  std::uint32_t current_ = 0;
  std::int64_t now_ns_ = 0, wall_ms_ = 0;
};

} // namespace spate::loadgen
