// Spate - which reason codes a packet may carry. Internal to wire.
#pragma once

#include <cstdint>

#include "engine/wire/packets.hpp"

namespace spate::wire {

/// Table 2-6 of MQTT 5.
[[nodiscard]] bool reason_allowed(PacketType type, std::uint8_t code) noexcept;

} // namespace spate::wire
