// Spate - what loop, connection and listener share: the libuv types, kept out of the public
// headers.
#pragma once

#include <cassert>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#include <uv.h>

#include "engine/net/connection.hpp"
#include "engine/net/loop.hpp"

namespace spate::net {

/// What the `data` of each of our handles points to, so that a stopping loop can close them all
/// alike.
class HandleOwner {
public:
  virtual ~HandleOwner() = default;
  virtual void close_with_loop(uv_handle_t* handle) = 0;
};

[[nodiscard]] inline HandleOwner* owner_of(void* handle) {
  return static_cast<HandleOwner*>(static_cast<uv_handle_t*>(handle)->data);
}

struct Loop::Impl final : HandleOwner {
  uv_loop_t uv{};
  /// Not uv_async_t: the woken side of it spins until the waking side has left its system call.
  uv_poll_t waking{};
  int wake_fd = -1; ///< An eventfd, written only while the loop may be waiting in its poll.
  uv_prepare_t prepare{};
  uv_check_t check{};
  uv_idle_t idle{};
  uv_timer_t tick{}; ///< Runs only while some connection lingers or can not write.

  Loop* self = nullptr;
  LoopHooks* hooks = nullptr;
  std::atomic<std::thread::id> thread{};
  std::atomic<std::uint64_t> last_turn_ms{0};
  std::atomic<bool> polling{false};      ///< From before the poll until after it.
  std::atomic<bool> wake_pending{false}; ///< An iteration is wanted.
  std::int64_t wall_ms = 0;
  bool wall_known = false;
  bool stopping = false;
  bool reading_paused = false;

  std::mutex posted_mutex; ///< Guards `posted` only; never held while anything runs.
  std::vector<std::function<void()>> posted;

  std::vector<char> read_buffer;      ///< Every read of the loop lands here.
  std::vector<Connection*> dirty;     ///< Have output for the end of this iteration.
  std::vector<Connection*> starved;   ///< Met the loop while its reading was paused.
  std::vector<Connection*> to_reshow; ///< Resumed with bytes left over.
  std::size_t left_bytes = 0;         ///< That all connections hold of incomplete units.
  std::size_t left_bytes_max = std::numeric_limits<std::size_t>::max();
  std::uint64_t resumed_ms = 0;             ///< When reading was resumed last.
  std::vector<Connection*> with_deadline;   ///< Linger after close() or wait for a slow reader.
  std::size_t deadline_next = kNoDeadlines; ///< In a pass over them: the one to be looked at next.

  // Crowds come and go in steps of an iteration each, so that those who work have their turn.
  static constexpr std::size_t kNoDeadlines = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t kClosesPerIteration = 4;
  static constexpr std::size_t kAcceptsPerIteration = 8;
  std::size_t accepts_left = kAcceptsPerIteration;
  std::vector<uv_stream_t*> waiting_listeners; ///< Each has a connection for the next iteration.

  std::size_t hot_sockets = 0;    ///< In the second epoll; 0: it is never asked.
  int hot_epoll = -1;             ///< Made for the first hot socket.
  std::int64_t hot_polled_ns = 0; ///< When it was asked last.
  std::size_t hot_bytes_left = 0; ///< That hot sockets may still bring while reading is paused.
  bool showing = false;           ///< Some handler is in on_bytes: nothing else may be shown.

  ~Impl() override;

  void run_posted();
  void reshow_left_over();
  bool flush_dirty();
  void read_hot() {
    if (hot_sockets != 0) {
      poll_hot();
    }
  }
  void poll_hot();
  void begin_deadlines();
  bool check_deadlines();
  void accept_waiting();
  void close_all();
  void close_with_loop(uv_handle_t* handle) override { uv_close(handle, nullptr); }
};

struct Connection::Impl final : HandleOwner {
  uv_tcp_t tcp{};
  Loop::Impl* loop = nullptr;
  ConnectionHandler* handler = nullptr;
  Connection* self = nullptr;

  /// Bytes that the kernel did not take at once, on their way by uv_write.
  struct Blocked {
    uv_write_t request{};
    std::string bytes;
  };
  std::unique_ptr<Blocked> blocked;
  std::string out;               ///< Gathered by send() since the last flush.
  std::string left;              ///< What on_bytes did not use.
  std::size_t expected = 0;      ///< on_bytes can do nothing with fewer bytes.
  std::size_t queued_bytes = 0;  ///< Of the blocked write, when it last made progress.
  std::uint64_t deadline_ms = 0; ///< Of lingering or of the blocked write; 0 = none.
  std::uint32_t unused_bytes_max = 4096;
  std::uint32_t first_bytes = 0; ///< At the start of `out`: of send_first().
  int connect_error = 0;         ///< Of libuv.
  CloseReason reason = CloseReason::by_us;

  bool opened : 1 = false;
  bool reading : 1 = false; ///< uv_read_start is in force.
  bool paused_by_handler : 1 = false;
  bool paused_by_output : 1 = false; ///< Too much is unsent.
  bool starved : 1 = false;          ///< Listed in the loop's `starved`: not read until it resumes.
  bool ended : 1 = false;            ///< The peer sends no more, and the handler goes on.
  bool dirty : 1 = false;
  bool closing : 1 = false; ///< close() was called: only writes go on.
  bool shut : 1 = false;    ///< Our side is shut down, the peer's end is awaited.
  bool closed : 1 = false;  ///< uv_close was called.
  bool in_on_bytes : 1 = false;
  bool hot : 1 = false;    ///< As set_hot() wants it.
  bool in_hot : 1 = false; ///< In the loop's second epoll.

  void begin(); ///< Starts reading, once open.
  void update_reading();
  void flush();
  void write_out();
  void write_rest(std::string rest);
  void update_hot();
  void read_hot();
  void shown();
  void finish(CloseReason why);
  void shut_down();
  void set_deadline(std::uint64_t after_ms);
  /// True if it is closed now.
  bool check_deadline(std::uint64_t now_ms);
  [[nodiscard]] std::uint64_t stall_ms() const noexcept {
    return closing ? kCloseStallMs : kWriteTimeoutMs;
  }
  void show(const char* bytes, std::size_t size);
  void keep(std::string_view rest);
  void append_left(std::string_view fresh);
  void account_left(std::size_t before);
  void close_with_loop(uv_handle_t*) override { finish(CloseReason::loop_stopped); }
};

[[nodiscard]] inline Connection::Impl& connection_of(void* handle) {
  return *static_cast<Connection::Impl*>(owner_of(handle));
}

} // namespace spate::net
