// Spate - a simulated device's message, from when it is due until it is answered.
#pragma once

#include <cstdint>

namespace spate::loadgen {

/// What is wrong with a message on purpose.
enum class MessageFault : std::uint8_t {
  none,
  malformed, ///< The payload breaks off: no JSON.
  oversized  ///< The payload is larger than servers take.
};

struct Message {
  /// When it was due (steady clock): latency counts from here. Load::kAtOnce until it is sent, if
  /// it was due at no time of its own.
  std::int64_t intended_ns = 0;
  /// When it was handed to the connection: service time counts from here.
  std::int64_t sent_ns = 0;
  std::int64_t ts = 0;      ///< Device time in the payload, epoch ms.
  std::uint32_t text = 0;   ///< Of the Payloads.
  std::uint32_t member = 0; ///< Which of the devices behind the connection; 0 without a gateway.
  MessageFault fault = MessageFault::none;
};

} // namespace spate::loadgen
