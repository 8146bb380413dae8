// Spate - one TCP connection on a loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/net/loop.hpp"

namespace spate::net {

class Connection;

enum class CloseReason : std::uint8_t {
  by_us,          ///< close() was called.
  by_peer,        ///< The peer closed or reset the connection, or a read failed.
  write_failed,   ///< A write failed.
  slow_reader,    ///< The peer took none of its bytes for Connection::kWriteTimeoutMs.
  connect_failed, ///< An outgoing connection never opened.
  loop_stopped,   ///< The loop ended.
  input_full,     ///< Incomplete units of all connections fill Loop::set_left_bytes_max().
};
inline constexpr std::size_t kCloseReasons = 7;
[[nodiscard]] std::string_view name_of(CloseReason reason) noexcept;

/// The upper side of a connection. All calls come on the loop's thread.
class ConnectionHandler {
public:
  virtual ~ConnectionHandler() = default;

  /// An outgoing connection is open (not called for accepted ones).
  virtual void on_open(Connection&) {}

  /// Bytes that arrived, those that the last call left included. Returns how many it used; the rest
  /// is kept and shown again with more behind it. `bytes` lies in the loop's read buffer and is
  /// followed by at least Connection::kPaddingBytes readable bytes; it is valid during the call
  /// only. The connection may be closed from within the call.
  virtual std::size_t on_bytes(Connection& connection, std::string_view bytes) = 0;

  /// After a flush, while the handler has paused reading: at most kUnsentBytesMax are unsent, so
  /// one that paused for the sake of its output may resume.
  virtual void on_room(Connection&) {}

  /// The peer sends no more, but may still read. True: the handler says its last words and
  /// closes; no on_bytes follows. False: the connection closes at once (by_peer).
  virtual bool on_end(Connection&) { return false; }

  /// The last call. The connection is freed after it returns.
  virtual void on_close(Connection& connection, CloseReason reason) = 0;
};

/// Owned by its loop; a plain pointer to it is valid until on_close has returned.
///
/// Thread: the loop's only.
/// Reads:  straight into one buffer of the loop; an idle connection holds no buffer.
/// Writes: send() gathers; all that one iteration sends goes out in one write at its end.
class Connection {
public:
  static constexpr std::size_t kPaddingBytes = 64;        ///< >= simdjson's padding.
  static constexpr std::size_t kReadBytesMax = 64u << 10; ///< Most that one read brings.
  static constexpr std::size_t kUnsentBytesMax = 256u
                                                 << 10; ///< Above it this connection is not read.
  static constexpr std::uint64_t kWriteTimeoutMs = 30'000; ///< Without any progress.

  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Bytes that the handler may leave unused at most; more closes the connection. Handlers set what
  /// their protocol's largest unit needs. Default 4 KiB: enough for a first packet.
  void set_unused_bytes_max(std::size_t bytes) noexcept;

  /// From within on_bytes: do not call it again before `bytes` are there, those that it leaves
  /// included. So a large unit that comes in small pieces is not looked at piece by piece.
  void expect(std::size_t bytes) noexcept;

  /// Appends to what this iteration writes. After close() it does nothing.
  void send(std::string_view bytes);
  /// The buffer behind send(), to encode into without a copy; call sent() afterwards.
  [[nodiscard]] std::string& output() noexcept;
  void sent();
  /// Sends whole units ahead of all that is gathered and not on its way yet, and at once: what the
  /// kernel has taken a part of goes first, since it may be half a unit. After close() it does
  /// nothing.
  void send_first(std::string_view bytes);
  /// Writes now instead of at the end of the iteration.
  void flush();
  /// Bytes that the kernel has not taken yet.
  [[nodiscard]] std::size_t unsent_bytes() const noexcept;

  /// Stops or resumes on_bytes for this connection. Bytes that on_bytes left are shown again on
  /// resume.
  void pause_reading(bool paused);

  /// While set, the loop looks for this socket's bytes between the reads of the others, at most
  /// every kHotPollNs, instead of once a sweep over all ready sockets. For few sockets at a time.
  void set_hot(bool hot);
  static constexpr std::int64_t kHotPollNs = 200'000;

  /// Writes what is left, for as long as the peer goes on taking it (kCloseStallMs), then waits for
  /// the peer's end (kCloseLingerMs) and closes; on_close follows, never within this call.
  void close();
  /// Closes at once, dropping what is unsent, with RST. on_close follows, never within this call.
  void abort();
  static constexpr std::uint64_t kCloseLingerMs = 2'000;
  static constexpr std::uint64_t kCloseStallMs = 10'000; ///< Well within the patience of a stop.

  [[nodiscard]] bool closing() const noexcept;
  [[nodiscard]] Loop& loop() noexcept;
  /// Why connect_failed, in the system's words ("connection refused"). Otherwise empty.
  [[nodiscard]] std::string_view connect_error() const noexcept;
  /// "127.0.0.1:40112"; asked of the kernel, so not for the hot path.
  [[nodiscard]] std::string remote_address() const;

  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  ~Connection();
  [[nodiscard]] Impl& impl() noexcept { return *impl_; }

private:
  std::unique_ptr<Impl> impl_;
};

} // namespace spate::net
