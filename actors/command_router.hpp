// Spate - where each command is and what comes next for it. Logic only: no threads, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "actors/command_counts.hpp"
#include "actors/command_messages.hpp"
#include "actors/commands.hpp"
#include "actors/device_queue.hpp"
#include "engine/base/hash.hpp"
#include "storage/command_log.hpp"

namespace spate::actors {

struct CommandLimits {
  std::size_t live_max = 100'000;         ///< Commands in memory; more are refused as overloaded.
  std::size_t live_bytes_max = 64u << 20; ///< What they weigh with their arguments; the same.
  std::uint16_t in_flight_max = 8;        ///< Sent to a device and not acknowledged by it.
  std::size_t page = 16;                  ///< Commands of a device that are read at a time.
  std::size_t reads_max = 256;            ///< Devices whose queues are being read at a time.
  std::int64_t crowded_ms = 50;           ///< Before queues are read on when memory was short.
  std::int64_t retry_ms = 1000;           ///< Between attempts to log what the log refused.
};

/// The way to the sessions of devices. Targets that are gone are ignored.
class DevicePort {
public:
  virtual ~DevicePort() = default;
  virtual void deliver(const CommandTarget& target, const model::Command& command) = 0;
  virtual void settle(const CommandTarget& target, const SettleAnswer& answer) = 0;
  virtual void forget(const CommandTarget& target, const ForgetCommand& what) = 0;
  /// Whether any session speaks for the device now, of commands or not. For words only.
  [[nodiscard]] virtual bool connected(std::string_view device) const = 0;
};

/// The clocks of the moment, read once an event.
struct CommandClock {
  std::int64_t wall_ms = 0;
  std::int64_t steady_ns = 0;
};

/// All transitions of all commands happen here, one after the other.
///
/// Flow:       create() -> log -> on_logged() -> port.deliver() -> on(CommandSent),
///             on(CommandDelivered), on(CommandAnswer) -> log -> on_logged() -> CommandDone
/// Thread:     one, the API loop's; counts() may be read by any.
/// Durability: nothing is sent and nobody is told of a command before it is logged, nor of its
///             final state before that is.
/// Memory:     a command is here ("live") while it is being sent, its answer is awaited or somebody
///             waits for it. All others lie in the log alone; of a device that is away nothing is
///             kept here.
/// Failure:    while the log can not be written, creations are refused; final states are kept and
///             submitted again.
class CommandRouter {
public:
  /// `port` is borrowed and outlives it. `seed` is for ids.
  CommandRouter(CommandLimits limits, DevicePort& port, std::uint64_t seed);
  ~CommandRouter();
  CommandRouter(const CommandRouter&) = delete;
  CommandRouter& operator=(const CommandRouter&) = delete;

  /// Once, before all else; borrowed.
  void set_log(storage::CommandLog& log) noexcept { log_ = &log; }

  void create(CommandRequest request, CommandClock now, CommandDone done);
  void find(std::string_view device, const Uuid& id, std::int64_t wait_ms, CommandClock now,
            CommandDone done);
  void cancel(std::string_view device, const Uuid& id, CommandClock now, CommandDone done);
  [[nodiscard]] bool is_ready(std::string_view device) const;

  void on(const DeviceReady& ready, CommandClock now);
  void on(const DeviceGone& gone, CommandClock now);
  void on(const CommandSent& sent, CommandClock now);
  void on(const CommandDelivered& delivered, CommandClock now);
  void on(const CommandAnswer& answer, CommandClock now);

  void on_logged(std::vector<storage::CommandReceipt> receipts, CommandClock now);
  void on_due(const std::vector<model::CommandRecord>& due, CommandClock now);

  /// Ends the waits that are over and submits again what could not be logged.
  void on_timer(CommandClock now);
  /// When on_timer() is wanted, on the steady clock; nullopt: not at all.
  [[nodiscard]] std::optional<std::int64_t> timer_ns() const;

  /// Answers everyone who waits with the state of now, also who comes from now on.
  void end_waits();
  /// Nobody waits for anything.
  [[nodiscard]] bool idle() const noexcept { return waits_.empty() && pending_.empty(); }

  [[nodiscard]] const CommandCounts& counts() const noexcept { return counts_; }

private:
  struct Wait;
  struct Live;
  using Continuation = std::function<void(storage::CommandReceipt&)>;
  using CommandKey = std::variant<Uuid, std::uint32_t>; ///< Id or alias.

  // What the doors ask.
  bool key_is_running(const CommandRequest& request, const CommandDone& done) const;
  void look_up_key(CommandRequest request, CommandDone done);
  void on_created(const Uuid& id, storage::CommandReceipt& receipt);
  void replay(model::CommandRecord record, Wait wait);
  void refuse(CommandRequest& request, CommandResult result, const CommandDone& done);
  void with_command(const std::string& device, CommandKey key,
                    std::function<void(Live*, storage::CommandReceipt&)> then);
  void show(Live* live, storage::CommandReceipt& receipt, Wait wait);
  void cancel(Live* live, storage::CommandReceipt& receipt, Wait wait);

  // Who waits.
  [[nodiscard]] Wait make_wait(CommandDone done, std::int64_t wait_ms) const;
  void wait_for(Live& live, Wait wait);
  void tell(Wait& wait, CommandReply reply);
  void tell_all(Live& live, const CommandReply& reply);
  void end_wait(const Uuid& id, std::uint64_t number, CommandResult result);
  /// Tells those whose wait `ends` says is over; the command lives on.
  template <class Ends>
  void end_waits_of(Live& live, CommandResult result, Ends&& ends);

  // What devices are given (command_delivery.cpp).
  void enqueue(Live& live);
  void dispatch(const std::string& device);
  void take_back(Live& live);
  void read_queue(const std::string& device, DeviceQueue& queue);
  void start_reads();
  void on_page(const std::string& device, const std::optional<DeviceQueue::Place>& after,
               storage::CommandReceipt& receipt);
  void leave(const CommandTarget& target, const std::string& device);
  void take_over(DeviceQueue& queue, const DeviceReady& session);
  void acknowledge(Live& live, const CommandDelivered& delivered);
  /// Reads the device's queue from its start again, if it is here.
  void read_again(const std::string& device);
  void on_answer(Live* live, storage::CommandReceipt& receipt, const CommandAnswer& answer);
  void answer_live(Live& live, const CommandAnswer& answer);
  void refuse_late(const model::Command& command, model::CommandProgress progress,
                   const CommandAnswer& answer);
  void settle(const CommandAnswer& answer, SettleAnswer::Verdict verdict);
  [[nodiscard]] std::string why_offline(const CommandRequest& request) const;

  // Commands and their log.
  Live& add_live(model::CommandRecord record);
  [[nodiscard]] Live* find_live(const std::string& device, const CommandKey& key);
  [[nodiscard]] bool crowded(std::size_t part) const noexcept {
    return live_.size() >= limits_.live_max / part || live_bytes_ >= limits_.live_bytes_max / part;
  }
  void note(const Live& live);
  void finish(Live& live, model::CommandState state, std::string result, std::string reason);
  void submit_end(Live& live);
  void on_ended(const Uuid& id, storage::CommandReceipt& receipt);
  void drop_if_unused(Live& live);
  void drop(Live& live);
  void forget_device_if_unused(const std::string& device);
  bool submit(storage::CommandEntry entry, Continuation then);

  void end_by_time(Live& live);

  const CommandLimits limits_;
  DevicePort& port_;
  storage::CommandLog* log_ = nullptr;
  UuidSource ids_;
  CommandCounts counts_;
  CommandClock now_; ///< Of the event at hand.

  std::unordered_map<Uuid, std::unique_ptr<Live>, UuidHash> live_;
  std::unordered_map<std::string, DeviceQueue, TextHash, std::equal_to<>> devices_;
  std::unordered_map<std::uint64_t, Continuation> pending_; ///< By ticket.
  std::uint64_t next_ticket_ = 1;                           ///< 0: nobody wants the receipt.
  std::multimap<std::int64_t, std::pair<Uuid, std::uint64_t>> waits_; ///< By deadline.
  std::uint64_t next_wait_ = 1;
  std::size_t live_bytes_ = 0;
  bool draining_ = false;
  std::unordered_map<std::string, std::uint64_t, TextHash, std::equal_to<>>
      running_keys_;              ///< Idempotency keys whose first request is not answered yet.
  std::set<Uuid> unlogged_ends_;  ///< Their final states were refused by the log.
  std::int64_t retry_ns_ = 0;     ///< When they are submitted again.
  std::set<std::string> to_read_; ///< Devices whose queue is to be read.
  std::size_t reads_ = 0;         ///< Under way.
};

} // namespace spate::actors
