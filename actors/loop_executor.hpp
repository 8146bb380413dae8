// Spate - lets a net::Loop run CAF actors: each pinned actor is only ever resumed on its own loop.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/execution_unit.hpp>

#include "engine/net/loop.hpp"

namespace spate::actors {

class PinnedActor;

/// A queue of actors that are ready to run, linked through the actors themselves. Loop thread only,
/// but for size() and oldest_ns().
class RunQueue {
public:
  void push(PinnedActor& actor, std::int64_t queued_ns) noexcept;
  [[nodiscard]] PinnedActor* pop() noexcept;
  void remove(PinnedActor& actor) noexcept;
  [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }
  /// steady_ns() when its first actor was queued; 0: it is empty.
  [[nodiscard]] std::int64_t oldest_ns() const noexcept {
    return oldest_ns_.load(std::memory_order_relaxed);
  }

private:
  void show(std::size_t size) noexcept;

  PinnedActor* head_ = nullptr;
  PinnedActor* tail_ = nullptr;
  std::atomic<std::size_t> size_{0}; ///< Written by the loop's thread.
  std::atomic<std::int64_t> oldest_ns_{0};
};

/// What waits in a class of an executor, seen by any thread.
struct QueueDepth {
  std::size_t actors = 0;
  std::int64_t oldest_ns = 0; ///< steady_ns() when the oldest of them was queued; 0: none waits.
};

/// CAF's execution unit on a loop, as its own socket multiplexer is one for brokers. An actor woken
/// by an urgent message waits in a front queue, which the loop serves between two socket reads; the
/// others wait for the end of the sweep over ready sockets.
///
/// Thread: exec_later() and hint() from any thread (through a lock-free list and one wake-up); the
/// rest on the loop. Bounds: run_urgent() runs at most kUrgentMax actors a call, run_ready()
/// kActorsMax, each at most kQuantum
///         messages, so that neither messages nor sockets starve each other. Between two normal
///         actors the urgent ones have a turn, and after each turn of the urgent ones a normal one.
class LoopExecutor final : public caf::execution_unit {
public:
  /// Without `priorities` an urgent message is one like any other.
  LoopExecutor(caf::actor_system& system, net::Loop& loop, bool priorities = true);
  ~LoopExecutor() override;
  LoopExecutor(const LoopExecutor&) = delete;
  LoopExecutor& operator=(const LoopExecutor&) = delete;

  /// CAF hands over something that has work: ours run here, all others on CAF's scheduler.
  void exec_later(caf::resumable* ready) override;
  /// An urgent message went into the mailbox of an actor that may already be queued as normal.
  void hint(PinnedActor& actor);

  /// Runs actors with urgent messages. True if some are left.
  bool run_urgent();
  /// Runs what was ready when the call began, urgent first. True if work is left.
  bool run_ready();

  /// From any thread; what other threads have sent and the loop has not seen yet included.
  [[nodiscard]] QueueDepth urgent_depth() const noexcept { return depth(urgent_, 1); }
  [[nodiscard]] QueueDepth normal_depth() const noexcept { return depth(normal_, 0); }
  [[nodiscard]] bool priorities() const noexcept { return priorities_; }

  static constexpr int kUrgentMax = 64;
  static constexpr std::size_t kActorsMax = 256;
  static constexpr std::size_t kQuantum = 50;

private:
  struct Arrival;
  /// Of one class, what is in `arrivals_`: for the metrics.
  struct Arriving {
    std::atomic<std::size_t> count{0};
    std::atomic<std::int64_t> oldest_ns{0};
  };
  void post(PinnedActor& actor, bool is_hint);
  void take_arrivals();
  void enqueue(PinnedActor& actor, std::int64_t queued_ns);
  void promote(PinnedActor& actor, std::int64_t queued_ns);
  void run(PinnedActor& actor);
  [[nodiscard]] QueueDepth depth(const RunQueue& queue, std::size_t arriving) const noexcept;

  net::Loop& loop_;
  const bool priorities_;
  std::array<Arriving, 2> arriving_;        ///< Normal, urgent.
  std::atomic<Arrival*> arrivals_{nullptr}; ///< From other threads, newest first.
  RunQueue urgent_;
  RunQueue normal_;
};

/// An actor that lives on one loop. Spawn it with spawn_on().
class PinnedActor : public caf::event_based_actor {
public:
  explicit PinnedActor(caf::actor_config& config);

  using caf::event_based_actor::enqueue;
  void enqueue(caf::mailbox_element_ptr message, caf::execution_unit* host) override;
  void enqueue(caf::strong_actor_ptr from, caf::message_id id, caf::message content,
               caf::execution_unit* host) override;
  /// How the executor tells its own from CAF's other resumables.
  subtype_t subtype() const override { return io_actor; }

private:
  friend class LoopExecutor;
  friend class RunQueue;

  enum class Queued : std::uint8_t { no, normal, urgent };

  LoopExecutor* executor_;
  PinnedActor* queue_previous_ = nullptr; ///< These four: loop thread only.
  PinnedActor* queue_next_ = nullptr;
  std::int64_t queued_ns_ = 0;
  Queued queued_ = Queued::no;
  std::atomic<bool> urgent_{false}; ///< An urgent message waits in the mailbox.
};

/// Spawns a PinnedActor on the loop of `executor`. On the loop's thread only.
template <class Actor, class... Args>
caf::actor spawn_on(LoopExecutor& executor, Args&&... args) {
  caf::actor_config config{&executor};
  return executor.system().spawn_class<Actor, caf::hidden>(config, std::forward<Args>(args)...);
}

} // namespace spate::actors
