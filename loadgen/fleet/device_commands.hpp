// Spate - the commands that one simulated device has got, and its answers.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/wire/packets.hpp"

namespace spate::loadgen {

/// How a command is known and where its answer goes.
struct CommandAddress {
  std::string_view id;          ///< MQTT 5: the Correlation Data; 3.1.1: the topic's last level.
  std::string response_topic;   ///< Empty: it can not be answered.
  std::string_view correlation; ///< MQTT 5.
};
/// Reads it from a PUBLISH. In 3.1.1 topics are devices/{device}/commands/{name}/{id}, and answers
/// go to devices/{device}/responses/{id}.
[[nodiscard]] CommandAddress address_of(const wire::Publish& publish, wire::Version version);

/// Commands from their arrival until their answer is acknowledged. Made for a device when its first
/// command comes: a fleet of devices that get none pays nothing.
///
/// Thread: its group's.
/// Limits: kOpenMax commands without acknowledged answer; a command that comes again is known among
///         the last kRememberedMax.
class DeviceCommands {
public:
  static constexpr std::size_t kOpenMax = 255;
  static constexpr std::size_t kRememberedMax = 256;

  enum class Taken : std::uint8_t { fresh, repeated, full };
  struct Open {
    std::string topic;
    std::string correlation;
    std::int64_t due_ns = 0;
    std::uint64_t number = 0; ///< Of the device's commands, from 1; 0: the slot is free.
    std::uint16_t packet_id = 0;
    bool ready = false; ///< Waits for being sent,
    bool sent = false;  ///< or was sent, and waits for its PUBACK.
    bool again = false; ///< Was sent on a connection before this one,
    bool dup = false;   ///< of which the server knows.
  };

  /// Remembers a command. `slot` is set if it is fresh; it is then to be made ready once it is due.
  Taken take(const CommandAddress& address, std::int64_t due_ns, std::uint8_t& slot);
  /// Number `number` may be answered. False if it was given up meanwhile.
  bool make_ready(std::uint8_t slot, std::uint64_t number);
  /// The next answer to send, oldest first; nothing if none is ready.
  [[nodiscard]] const Open* next_ready() const;
  /// It was written with its packet identifier.
  void sent();
  /// False if no answer waits under `packet_id`.
  bool acked(std::uint16_t packet_id);
  /// On a new connection: what was sent is ready again, in its order. Returns how many.
  std::size_t resend(bool session_present);
  /// Gives up everything. Returns how many were not acknowledged.
  std::size_t abandon();

  [[nodiscard]] std::size_t open() const noexcept { return open_; }
  [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }

private:
  bool known(std::uint64_t hash) const noexcept;
  void free(std::uint8_t slot);

  std::vector<Open> slots_;
  std::vector<std::uint8_t> free_;
  std::deque<std::uint8_t> ready_;
  std::vector<std::uint64_t> remembered_; ///< Hashes of the last ids, a ring.
  std::uint64_t taken_ = 0;
  std::size_t open_ = 0;
};

} // namespace spate::loadgen
