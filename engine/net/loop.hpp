// Spate - an event loop (libuv) on which connections and actors live.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "engine/base/clock.hpp"
#include "engine/base/result.hpp"

namespace spate::net {

class Connection;
class ConnectionHandler;

/// What runs beside the sockets of a loop. The actors' executor and the gathering of blocks stand
/// on these hooks, so that net knows neither actors nor records. All calls come on the loop's
/// thread.
class LoopHooks {
public:
  virtual ~LoopHooks() = default;
  /// Before the loop waits for I/O; returns true if work is left, so that it polls without waiting.
  virtual bool before_poll() { return false; }
  /// After the sockets of this iteration were served.
  virtual void after_poll() {}
  /// Between two socket reads: the place for work that may not wait for the whole sweep.
  virtual void between_reads() {}
  /// Between some of the writes that end an iteration, of which there may be thousands.
  virtual void between_writes() {}
};

/// One thread's libuv loop: sockets, timers and functions posted by other threads.
///
/// Thread: run() is the loop's thread. post() and wake() from any thread; everything else only on
/// the loop's thread or before run(). Order of an iteration: timers, hooks.before_poll, flush of
/// dirty connections, poll for I/O (hooks.between_reads between two reads; posted functions),
/// hooks.after_poll, flush of dirty connections (hooks.between_writes between some of them). Hot
/// sockets are read between the reads and writes of the others.
class Loop {
public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Borrowed; must outlive run(). May be set once.
  void set_hooks(LoopHooks& hooks) noexcept;

  /// Runs until stop(). Closes all handles that are left before it returns.
  void run();
  /// From any thread. Posted functions that were queued before it still run.
  void stop();

  /// Runs `function` on the loop's thread, in order of posting. Thread-safe.
  void post(std::function<void()> function);
  /// Makes the loop run one iteration soon. Thread-safe, cheap if a wake-up is already on its way.
  void wake() noexcept;
  [[nodiscard]] bool on_loop_thread() const noexcept;

  /// Steady time of this iteration, in milliseconds; cheap.
  [[nodiscard]] std::uint64_t now_ms() const noexcept;
  /// Wall clock of this iteration, milliseconds since 1970; read once an iteration.
  [[nodiscard]] std::int64_t wall_now_ms() noexcept;

  /// Calls `function` every `period_ms`, first after one period, until the loop stops.
  void every(std::uint64_t period_ms, std::function<void()> function);
  /// Calls `function` once after `delay_ms`.
  void after(std::uint64_t delay_ms, std::function<void()> function);

  /// Starts an outgoing TCP connection to a numeric address. The handler's on_open or on_close
  /// follows, never within this call. `source` (numeric IP) may be empty. The loop owns the
  /// connection until on_close returned.
  Result<Connection*> connect(std::string_view host, std::uint16_t port, std::string_view source,
                              ConnectionHandler& handler);

  /// Steady milliseconds when the loop last began an iteration; for a watchdog on another thread.
  [[nodiscard]] std::uint64_t last_turn_ms() const noexcept;

  /// While set, no socket is read: bytes stay in the kernel and TCP slows the peers down. Hot ones
  /// are read on, until they have brought `hot_bytes_max` in this pause.
  void pause_reading(bool paused, std::size_t hot_bytes_max = 0) noexcept;
  [[nodiscard]] bool reading_paused() const noexcept;
  /// now_ms() of the last resume; 0 before. Until then a silent peer may only not have been read.
  [[nodiscard]] std::uint64_t reading_resumed_ms() const noexcept;

  /// Reads hot sockets that have bytes, if it is time to. For hooks whose work takes long; from
  /// within on_bytes it does nothing.
  void read_hot();

  /// Bound on what all connections together keep of incomplete units; one that would pass it is
  /// closed. Default: none.
  void set_left_bytes_max(std::size_t bytes) noexcept;

  struct Impl; ///< Holds the libuv types; used by Connection and Listener.
  [[nodiscard]] Impl& impl() noexcept { return *impl_; }

private:
  std::unique_ptr<Impl> impl_;
};

} // namespace spate::net
