// Spate - the client side of one MQTT session, without I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/wire/codec.hpp"
#include "engine/wire/packets.hpp"
#include "loadgen/fleet/in_flight.hpp"
#include "loadgen/load/device_names.hpp"
#include "loadgen/load/payload.hpp"

namespace spate::loadgen {

/// A topic with {device} in any number of places.
class TopicTemplate {
public:
  explicit TopicTemplate(std::string_view text);
  [[nodiscard]] bool empty() const noexcept { return parts_.size() == 1 && fixed_bytes_ == 0; }
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
  // In the next three {device} stands for DeviceShare::device_or_client().
  TopicTemplate user{""}, password{""}; ///< Empty: none.
  /// Empty: no subscription. With `commands` what comes are commands, else messages to count.
  TopicTemplate subscribe{""};
  std::uint8_t subscribe_qos = 1;
  bool commands = false;

  [[nodiscard]] bool subscribes() const noexcept { return !subscribe.empty(); }
  /// The largest packet that the server may send.
  [[nodiscard]] std::size_t packet_bytes_max() const noexcept;
};
inline constexpr std::string_view kCommandFilter = "devices/{device}/commands/#";

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

  // Only with a subscription.
  /// It is granted.
  virtual void on_subscribed() {}
  /// A message came, the first time if it is of QoS 2; its PUBACK or PUBREC is written already. The
  /// views are valid during the call.
  virtual void on_message(const wire::Publish&) {}
  // Only with SessionOptions::commands.
  /// A command came; its PUBACK is written already. The views are valid during the call.
  virtual void on_command(const wire::Publish&) {}
  /// PUBACK of an answer. False: none waits under this identifier.
  virtual bool on_answer_acked(std::uint16_t, wire::Reason) { return false; }
};

/// One connection's session: CONNECT, PUBLISH with its acknowledgements, PINGREQ, DISCONNECT, and
/// sending again after a lost connection. Bytes go to `out`, the buffer of the device's connection.
///
/// With a subscription it subscribes after each CONNACK and acknowledges what comes. With commands
/// it also sends answers, which have packet identifiers, and room within the server's Receive
/// Maximum, of their own: a full window of telemetry does not hold them back.
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
  static constexpr std::size_t kReceivedPacketBytesMax = 1u << 20;
  /// From InFlightTable::kIdMax + 1 on; the last one is the SUBSCRIBE's.
  static constexpr std::uint16_t kAnswerIdMin = 0xf000, kAnswerIdMax = 0xfffe;
  static constexpr std::uint32_t kAnswersInFlightMax = 64;

  /// Connection number `connection` of `share`. Borrows `options` and `share`.
  ClientSession(const SessionOptions& options, const DeviceShare& share, std::uint32_t connection);

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] std::size_t in_flight() const noexcept { return waiting_.size(); }
  [[nodiscard]] bool can_publish() const noexcept {
    return state_ == State::online && waiting_.size() < window_ && has_room();
  }
  [[nodiscard]] bool subscribed() const noexcept { return subscribed_; }
  [[nodiscard]] bool can_answer() const noexcept {
    return state_ == State::online && answers_in_flight_ < answers_max_ && has_room();
  }
  /// `expired`: with a password that is none.
  void connect(std::string& out, bool expired = false);
  /// Call only if can_publish(). Messages of QoS 0 are forgotten at once. Gives the payload's
  /// bytes.
  std::size_t publish(std::string& out, Payloads& payloads, const Message& message);
  /// After on_online of a new connection: everything unanswered goes out again in its order, a
  /// PUBLISH with DUP and its first packet identifier [MQTT-4.4.0-1], or a PUBREL. A server that
  /// has no session of ours any more has forgotten what a PUBREL or DUP would mean: there each is a
  /// new PUBLISH. Returns how many.
  std::size_t resend(std::string& out, Payloads& payloads, bool session_present);
  /// Sends the answer to a command at QoS 1. Call only if can_answer(). `correlation` is MQTT 5's.
  void answer(std::string& out, std::string_view topic, std::string_view correlation,
              std::string_view payload, std::uint16_t id, bool dup);
  void ping(std::string& out) const;
  void disconnect(std::string& out);

  /// Reads all whole packets and returns the bytes used. After an error nothing more may be read.
  /// Errors: malformed_packet, protocol_error, connect_failed (the CONNACK refused),
  /// packet_too_large; the detail is a short stable phrase, fit for counting.
  Result<std::size_t> receive(std::string_view bytes, std::string& out, SessionEvents& events);

  /// The connection is gone. What waited stays for resend().
  void lost() noexcept {
    state_ = State::offline;
    subscribed_ = false;
    answers_in_flight_ = 0;
  }
  /// Gives up those that wait and are `wrong(entry)`: `visit(message)` for each, oldest first.
  template <class Wrong, class Visit>
  void remove_if(Wrong&& wrong, Visit&& visit) {
    for (InFlight* entry : waiting_.in_order()) {
      if (wrong(std::as_const(*entry))) {
        visit(entry->message);
        waiting_.remove(*entry);
      }
    }
  }
  /// Gives up what waits: `visit(message)` for each, oldest first.
  template <class Visit>
  void abandon(Visit&& visit) {
    for (const InFlight* entry : waiting_.in_order()) {
      visit(entry->message);
    }
    waiting_.clear();
  }

private:
  static constexpr std::uint32_t kNoMaximum = 0x20000; ///< More than identifiers.

  Result<void> on_packet(std::uint8_t first, std::string_view body, std::string& out,
                         SessionEvents& events);
  Result<void> on_connack(std::string_view body, SessionEvents& events);
  Result<void> on_ack(wire::PacketType type, std::uint16_t id, wire::Reason reason,
                      std::string& out, SessionEvents& events);
  Result<void> on_answer_ack(wire::PacketType type, std::uint16_t id, wire::Reason reason,
                             SessionEvents& events);
  void subscribe(std::string& out) const;
  Result<void> on_suback(const wire::Frame& frame, SessionEvents& events);
  Result<void> on_publish(const wire::Frame& frame, std::string& out, SessionEvents& events);
  Result<void> on_pubrel(const wire::Frame& frame, std::string& out);
  [[nodiscard]] bool has_room() const noexcept {
    return waiting_.size() + answers_in_flight_ < receive_maximum_;
  }
  std::size_t append_publish(std::string& out, Payloads& payloads, const Message& message,
                             std::uint16_t id, bool dup) const;

  const SessionOptions& options_;
  const DeviceShare& share_;
  const std::uint32_t connection_;
  InFlightTable waiting_;
  /// QoS 2: identifiers that came and whose PUBREL did not yet. A server has few at a time.
  std::vector<std::uint16_t> received_;
  std::uint32_t window_;
  std::uint32_t receive_maximum_ = kNoMaximum; ///< The server's; 3.1.1 has none.
  std::uint32_t answers_in_flight_ = 0;
  std::uint32_t answers_max_ = kAnswersInFlightMax;
  State state_ = State::offline;
  bool subscribed_ = false;
};

inline std::size_t SessionOptions::packet_bytes_max() const noexcept {
  return subscribes() ? ClientSession::kReceivedPacketBytesMax : ClientSession::kPacketBytesMax;
}

} // namespace spate::loadgen
