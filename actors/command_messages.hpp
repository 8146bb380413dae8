// Spate - what the command router and the sessions of devices tell each other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/uuid.hpp"
#include "engine/model/command.hpp"

namespace spate::actors {

/// Names a session for the router: which device loop, and where in its table.
struct CommandTarget {
  std::uint32_t loop = 0;
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;

  bool operator==(const CommandTarget&) const = default;
};

// --- Router -> session.

/// Publish this now. The session checks `expires_ms` once more.
struct DeliverCommand {
  model::Command command;
};
/// What the router made of an answer: `token` is the session's own.
struct SettleAnswer {
  enum class Verdict : std::uint8_t {
    taken,       ///< The final state is durable; also of an answer that came again.
    unknown,     ///< This device has no such command.
    late,        ///< It came after `expires_ms`.
    unavailable, ///< It could not be made durable: do not acknowledge.
  };
  std::uint64_t token = 0;
  Verdict verdict = Verdict::taken;
};
/// Not to be sent, if it was not yet: then CommandSent says so.
struct ForgetCommand {
  Uuid id;
  bool ended = true; ///< It is final: its PUBACK is of no interest, its answer is not awaited.
};

// --- Session -> router. Of one session in this order; nothing comes after DeviceGone.

/// The session subscribed to commands of this device, or changed its filters; no filters: it
/// unsubscribed.
struct DeviceReady {
  CommandTarget target;
  std::string device;
  std::vector<std::string> filters; ///< Those that spell the device out.
  bool numbered = false;            ///< A dialect with integer ids: topic filters say nothing.
  bool with_id = true;              ///< Topics end with the id of the command (3.1.1).
  std::uint16_t in_flight_max = 0;  ///< The client's Receive Maximum.
};
/// The PUBLISH is in the socket's buffer, or (`sent` false) it was not sent: taken back, expired,
/// or for the reason `why`.
struct CommandSent {
  CommandTarget target;
  std::string device;
  Uuid id;
  std::int64_t at_ms = 0;
  bool sent = true;
  std::string why; ///< If it was not sent and never can be.
};
/// The device's PUBACK. `refused`: with a reason code of 0x80 or above (MQTT 5): it did not take
/// it.
struct CommandDelivered {
  CommandTarget target;
  std::string device;
  Uuid id;
  std::int64_t at_ms = 0;
  std::string refused;
};
/// The device answered.
struct CommandAnswer {
  enum class Status : std::uint8_t { ok, failed, rejected };
  CommandTarget target;
  std::string device;
  Uuid id;
  std::uint32_t alias = 0; ///< Instead of `id`, if not 0.
  std::int64_t at_ms = 0;
  Status status = Status::ok;
  std::string result; ///< One JSON value as text; empty: none.
  std::string reason;
  std::uint64_t token = 0; ///< Comes back in SettleAnswer.
};
/// The session ended, or closes. All that it did not acknowledge goes to its successor.
struct DeviceGone {
  CommandTarget target;
  std::vector<std::string> devices;
};

} // namespace spate::actors
