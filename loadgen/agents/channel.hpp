// Spate - the connection between a coordinator and an agent.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include <nlohmann/json.hpp>

#include "engine/base/result.hpp"
#include "engine/net/listener.hpp"
#include "loadgen/agents/frame.hpp"

namespace spate::loadgen {

/// A TCP connection that carries frames. What is sent is queued and written by a thread of its own,
/// so that a peer that is gone, or slow for a while, does not hold up the load. One that is slow
/// for long does once the queue is full: what it was not told of the ledger could not be proven.
///
/// Thread: send() from any; receive() and the rest from one.
/// Limit:  kQueuedBytesMax are queued, then send() waits. A peer that takes nothing for
///         kSendTimeoutS is gone.
class Channel {
public:
  static constexpr std::size_t kQueuedBytesMax = std::size_t{64} << 20;
  static constexpr int kSendTimeoutS = 5;

  /// Takes a connected socket.
  explicit Channel(int socket);
  /// Drops what is still queued.
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Error: connect_failed.
  static Result<std::unique_ptr<Channel>> connect(const net::Address& address,
                                                  std::chrono::milliseconds timeout);

  /// False once the connection is broken: then nothing is sent any more.
  bool send(FrameKind kind, std::string_view body);
  bool send(const nlohmann::json& message);

  enum class Got : std::uint8_t { frame, nothing, closed };
  /// Waits for the next frame. Error: malformed_packet.
  Result<Got> receive(AgentFrame& frame, std::chrono::milliseconds timeout);
  /// The same for a message, which must be an object with a text "type".
  Result<Got> receive(nlohmann::json& message, std::chrono::milliseconds timeout);
  /// What the peer may send from now on.
  void set_bytes_max(std::size_t bytes) noexcept { cutter_.set_bytes_max(bytes); }

  /// Writes what is queued, if the peer takes it, and says the end. Nothing is sent after it.
  void finish();

private:
  void run();
  bool write(std::string_view bytes);

  const int socket_;
  FrameCutter cutter_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string queue_;
  bool stopping_ = false;
  std::atomic<bool> broken_{false};
  std::thread thread_;
};

/// Reads a JSON frame: an object with a text "type". Error: malformed_payload.
Result<nlohmann::json> read_message(const AgentFrame& frame);

/// A text or number of a message; empty or 0 if it is missing or of another type.
[[nodiscard]] std::string text_in(const nlohmann::json& message, const char* name);
[[nodiscard]] std::int64_t number_in(const nlohmann::json& message, const char* name);

} // namespace spate::loadgen
