// Spate - the messages that a session owes its client, QoS 1 and 2: order, window, handshakes.
// Logic only, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "engine/model/application_message.hpp"
#include "engine/wire/packets.hpp"

namespace spate::actors {

/// Sequences count up; packet ids follow from them, so that a message that is sent again after a
/// restart has its id again (MQTT-4.4.0-1) and nothing needs to be written down before it is sent.
/// They take the lower half of all ids; commands have the upper one.
inline constexpr std::uint16_t kMessageIds = 32767;
[[nodiscard]] constexpr std::uint16_t packet_id_of(std::uint64_t sequence) noexcept {
  return static_cast<std::uint16_t>((sequence - 1) % kMessageIds + 1);
}

/// Thread: its session's.
/// Order:  messages leave by sequence, PUBRELs in the order of their PUBRECs (MQTT-4.6.0).
/// Limits: at most `window` messages are sent and not answered (Receive Maximum, MQTT5-3.3.4-9);
///         nor more than `bytes_max` bytes of them, if it is not a single one. How many may wait is
///         the caller's business.
/// Memory: a message is held until it is sent. It goes out again only over another connection, and
///         a session that outlives one has it on disk.
class Outbox {
public:
  enum class State : std::uint8_t {
    waiting,  ///< To be sent.
    sent,     ///< PUBLISH is out: PUBACK or PUBREC is awaited.
    received, ///< PUBREC came; PUBREL goes out once that is durable.
    released, ///< PUBREL is out: PUBCOMP is awaited.
    done,     ///< Leaves when it is the oldest.
  };
  struct Entry {
    std::uint64_t sequence = 0;
    model::SharedMessage message; ///< While it waits.
    std::uint32_t bytes = 0;      ///< Of the message.
    std::vector<std::uint32_t> subscription_ids;
    std::uint8_t qos = 1;
    bool retain = false;
    bool dup = false; ///< It may have been sent before.
    State state = State::waiting;
  };

  Outbox(std::uint16_t window, std::size_t bytes_max) noexcept
      : bytes_max_(bytes_max), window_(window < kMessageIds ? window : kMessageIds) {}

  /// Of a higher sequence than all before. Without a message its PUBREC came earlier.
  void push(Entry entry);
  /// Whether a message of so many bytes may go out at once, ahead of nobody: push_sent().
  [[nodiscard]] bool open(std::size_t bytes) const noexcept;
  /// One that is being sent; gives its packet id.
  std::uint16_t push_sent(std::uint64_t sequence, std::uint8_t qos, std::size_t bytes);
  /// The sequence for the next message, where nobody else counts them.
  [[nodiscard]] std::uint64_t next_sequence() const noexcept { return last_ + 1; }

  /// The next entry to be sent, if the window has room: call sent() for it, or drop().
  [[nodiscard]] Entry* next() noexcept;
  void sent(Entry& entry) noexcept;
  /// Is not sent any more: it has expired, or is too large for the client.
  void drop(Entry& entry) noexcept;

  /// What an answer means. A refused one that nothing waits for is no error in MQTT 5.
  enum class Answer : std::uint8_t {
    settled,  ///< Done: the message is the client's.
    refused,  ///< Done: the client will not have it (a reason code from 0x80 on, MQTT5-4.3.3).
    received, ///< Note it durably, then call release().
    repeated, ///< A PUBREC again: PUBREL again, if it was out.
    unknown,  ///< Nothing of this id waits for that.
  };
  struct Answered {
    Answer answer = Answer::unknown;
    std::uint64_t sequence = 0;
  };
  /// PUBACK, PUBREC or PUBCOMP.
  Answered on_ack(wire::PacketType type, std::uint16_t packet_id, wire::Reason reason) noexcept;
  /// Its PUBREL goes out now. False: it was released before, or is gone.
  bool release(std::uint64_t sequence) noexcept;
  /// For each PUBREL that an earlier connection owes.
  template <class Visit>
  void for_each_received(Visit&& visit) {
    for (Entry& entry : entries_) {
      if (entry.state == State::received) {
        visit(entry);
      }
    }
  }

  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }
  [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }
  [[nodiscard]] std::size_t waiting_bytes() const noexcept { return waiting_bytes_; }
  [[nodiscard]] std::uint64_t last_sequence() const noexcept { return last_; }
  /// Highest sequence that was sent; 0: none.
  [[nodiscard]] std::uint64_t sent_through() const noexcept { return sent_through_; }

private:
  [[nodiscard]] Entry* find(std::uint64_t sequence) noexcept;
  [[nodiscard]] Entry* find_id(std::uint16_t packet_id) noexcept;
  [[nodiscard]] bool has_room(std::uint64_t sequence, std::size_t bytes) const noexcept;
  void leave_waiting(Entry& entry) noexcept;
  void finish(Entry& entry) noexcept;

  std::deque<Entry> entries_; ///< By sequence; the first is not done.
  const std::size_t bytes_max_;
  const std::uint16_t window_;
  std::size_t next_ = 0; ///< Entries before it are not `waiting`.
  std::size_t waiting_ = 0;
  std::size_t in_flight_ = 0;
  std::size_t waiting_bytes_ = 0;
  std::size_t in_flight_bytes_ = 0; ///< Until PUBACK or PUBREC.
  std::uint64_t last_ = 0;
  std::uint64_t sent_through_ = 0;
};

} // namespace spate::actors
