// Spate - one device loop: its sockets, its actors, its parser and its writer to the shards.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "actors/device_session.hpp"
#include "actors/loop_executor.hpp"
#include "actors/shard_writer.hpp"
#include "engine/net/listener.hpp"
#include "engine/net/loop.hpp"

namespace spate::actors {

struct DeviceLoopOptions {
  SessionLimits session;
  ShardWriterLimits writer;
  telemetry::ParserLimits parser;
  std::string_view durability;
  std::size_t connections_max = 15'000;         ///< Of this loop; more are refused at once.
  std::size_t incomplete_bytes_max = 64u << 20; ///< Of packets that have not come whole, this loop.
  std::uint32_t number = 0;                     ///< By which the command router knows this loop.
  /// Of one loop of the node: what it publishes as `$SYS` from time to time. Empty: nothing.
  std::function<SysFigures()> sys_figures = {};
  bool priorities = true; ///< False: commands wait like telemetry. The control of a measurement.
};

/// What the loops of a node share. All of it is thread-safe.
struct DeviceLoopServices {
  caf::actor_system& system;
  storage::Store& store;
  model::ShapeTable& shapes;
  const telemetry::RouteTable& routes;
  SessionRegistry& registry;
  Presence& presence;
  MessageHub& messages;
  SessionHub& sessions;
  SysTopics& sys;
  caf::actor command_router{}; ///< None: sessions take no commands.
};

/// An iteration: read all ready sockets (messages are parsed into the open blocks) -> hand the
/// blocks over -> pass receipts on (PUBACKs are encoded) -> run actors -> write, once a connection.
///
/// Commands: urgent actors run, and sockets with an open command are read, between any two reads of
/// other sockets, and between some of the receipts and writes of an iteration.
/// Back-pressure: while too much is in flight, no socket of this loop is read.
/// Thread: start(), stop_accepting(), stop() by the owner; counters() and ledger() by anyone; the
/// rest is its own.
class DeviceLoop final : private net::LoopHooks,
                         private ReceiptListener,
                         private CopyTaker,
                         private StoreAnswerTaker {
public:
  DeviceLoop(DeviceLoopServices services, DeviceLoopOptions options);
  ~DeviceLoop() override;

  /// Before start(). Error: bind_failed.
  Result<net::Address> listen(const net::Address& address, bool shared);
  /// `number` names its thread.
  void start(std::uint32_t number);
  /// Accepts no more and reads no more; calls `drained` on the loop once all that was read is
  /// answered.
  void drain(std::function<void()> drained);
  /// Says goodbye to all clients, closes, ends the thread.
  void stop();

  [[nodiscard]] const SessionCounters& counters() const noexcept { return context_.counters; }
  [[nodiscard]] const MessageRouter::Counters& passed() const noexcept {
    return messages_.counters();
  }
  [[nodiscard]] model::LedgerCounts ledger() const noexcept { return writer_.ledger().snapshot(); }
  /// What waits for the loop's actors: its depths are for any thread.
  [[nodiscard]] const LoopExecutor& executor() const noexcept { return executor_; }
  [[nodiscard]] net::Loop& loop() noexcept { return loop_; }

private:
  bool before_poll() override;
  void after_poll() override;
  void between_reads() override;
  void between_writes() override;
  void on_message(const model::TelemetryBlock& block, const model::Message& message) override;
  void on_copy(Passing& passing, const Copy& copy) override;
  void on_store_answer(std::uint32_t slot, std::uint32_t generation, StoreTask task,
                       std::uint64_t argument, storage::SessionReceipt& receipt) override;
  void on_queued(std::uint32_t slot, std::uint32_t generation,
                 storage::QueuedMessage& queued) override;
  void on_will(const model::ApplicationMessage& will, const Matches& connected) override;

  net::ConnectionHandler* accept(net::Connection& connection);
  bool deliver_receipts();
  void throttle();
  void publish_sys();
  void fire_timers();

  /// Receipts passed on in one iteration: their PUBACKs go out before the next sweep over the
  /// sockets.
  static constexpr std::size_t kReceiptsMax = 4096;
  /// Acknowledgements and answers of commands, with the telemetry before them, that are read while
  /// too much is in flight.
  static constexpr std::size_t kHotBytesMax = 1u << 20;
  /// Between so many of them, what is urgent has its turn.
  static constexpr std::size_t kReceiptsPerStep = 512;
  static constexpr std::size_t kTimersPerIteration = 4;

  DeviceLoopServices services_;
  const DeviceLoopOptions options_;
  net::Loop loop_;
  LoopExecutor executor_;
  ShardWriter writer_;
  telemetry::Parser parser_;
  MessageRouter messages_;
  SessionDoor door_;
  SessionTable sessions_;
  TimerWheel<SessionRef> timers_;
  SessionContext context_;
  SessionHome home_;
  std::unique_ptr<net::Listener> listener_;
  std::function<void()> drained_; ///< Set while draining.
  bool draining_ = false;
  bool stopping_ = false;
  bool receipts_left_ = false;
  bool timers_due_ = false;
  std::thread thread_;
};

} // namespace spate::actors
