// Spate - the client side of one MQTT session, without I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/wire/packets.hpp"
#include "loadgen/in_flight.hpp"
#include "loadgen/payload.hpp"

namespace spate::loadgen {

/// A topic with {device} in any number of places.
class TopicTemplate {
public:
  explicit TopicTemplate(std::string_view text);
  [[nodiscard]] std::size_t size(std::string_view device) const noexcept {
    return fixed_bytes_ + (parts_.size() - 1) * device.size();
  }
  /// Writes size(device) bytes.
  char* write(char* to, std::string_view device) const noexcept;
  [[nodiscard]] std::string text(std::string_view device) const;

private:
  std::vector<std::string> parts_; ///< What stands between the devices; never empty.
  std::size_t fixed_bytes_ = 0;
};

/// What all sessions of a run have in common.
struct SessionOptions {
  wire::Version version = wire::Version::v311;
  std::uint8_t qos = 1;
  bool clean = true;
  std::uint16_t keep_alive_s = 60;
  std::uint32_t window =
      20; ///< Unacknowledged messages at most; the server's Receive Maximum may say less.
  TopicTemplate topic{"devices/{device}/telemetry"};
};

/// What a session tells while it reads. Calls come from within receive().
class SessionEvents {
public:
  virtual ~SessionEvents() = default;
  /// CONNACK with success.
  virtual void on_online(bool session_present) = 0;
  /// The handshake of a message has ended (PUBACK, PUBCOMP, or a PUBREC that refuses). A reason of
  /// 0x80 and above means that the server did not take it.
  virtual void on_answered(const Message& message, wire::Reason reason) = 0;
  virtual void on_pong() = 0;
};

/// One device's session: CONNECT, PUBLISH with its acknowledgements, PINGREQ, DISCONNECT, and
/// sending again after a lost connection. Bytes go to `out`, the buffer of the device's connection.
///
/// Flow:   DeviceGroup -> connect(), publish() -> bytes; bytes -> receive() -> SessionEvents
/// Thread: its loop's.
/// Errors: receive() fails on bytes that no server may send (and on a refusing CONNACK or a
/// DISCONNECT); the
///         caller closes the connection and calls lost().
class ClientSession {
public:
  enum class State : std::uint8_t { offline, connecting, online };
  static constexpr std::size_t kPacketBytesMax =
      4096; ///< A server has nothing longer to say to a publisher.

  /// Borrows `options`.
  ClientSession(const SessionOptions& options, std::string device);

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] const std::string& device() const noexcept { return device_; }
  [[nodiscard]] std::size_t in_flight() const noexcept { return waiting_.size(); }
  [[nodiscard]] bool can_publish() const noexcept {
    return state_ == State::online && waiting_.size() < window_;
  }

  void connect(std::string& out);
  /// Call only if can_publish(). Messages of QoS 0 are forgotten at once.
  void publish(std::string& out, const Payloads& payloads, const Message& message);
  /// After on_online of a new connection: everything unanswered goes out again in its order, a
  /// PUBLISH with DUP and its first packet identifier [MQTT-4.4.0-1], or a PUBREL. A server that
  /// has no session of ours any more has forgotten what a PUBREL or DUP would mean: there each is a
  /// new PUBLISH. Returns how many.
  std::size_t resend(std::string& out, const Payloads& payloads, bool session_present);
  void ping(std::string& out) const;
  void disconnect(std::string& out);

  /// Reads all whole packets and returns the bytes used. After an error nothing more may be read.
  /// Errors: malformed_packet, protocol_error, connect_failed (the CONNACK refused),
  /// packet_too_large; the detail is a short stable phrase, fit for counting.
  Result<std::size_t> receive(std::string_view bytes, std::string& out, SessionEvents& events);

  /// The connection is gone. What waited stays for resend().
  void lost() noexcept { state_ = State::offline; }
  /// Gives up what waits: `visit(message)` for each, oldest first.
  template <class Visit>
  void abandon(Visit&& visit) {
    for (const InFlight* entry : waiting_.in_order()) {
      visit(entry->message);
    }
    waiting_.clear();
  }

private:
  Result<void> on_packet(std::uint8_t first, std::string_view body, std::string& out,
                         SessionEvents& events);
  Result<void> on_connack(std::string_view body, SessionEvents& events);
  Result<void> on_ack(wire::PacketType type, std::uint16_t id, wire::Reason reason,
                      std::string& out, SessionEvents& events);
  void append_publish(std::string& out, const Payloads& payloads, const Message& message,
                      std::uint16_t id, bool dup) const;

  const SessionOptions& options_;
  std::string device_;
  InFlightTable waiting_;
  std::uint32_t window_;
  State state_ = State::offline;
};

} // namespace spate::loadgen
