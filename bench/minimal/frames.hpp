// Spate bench - the least that one has to know of MQTT 3.1.1 to find and acknowledge its packets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spate::bench {

/// First byte of a packet, by type. Replies are whole packets.
inline constexpr std::uint8_t kConnect = 0x10, kPublish = 0x30, kPingreq = 0xc0, kDisconnect = 0xe0;
inline constexpr std::string_view kConnackAccepted("\x20\x02\x00\x00", 4);
inline constexpr std::string_view kPingresp("\xd0\x00", 2);

/// Larger packets close their connection; with it a connection's input is bounded.
inline constexpr std::size_t kPacketBytesMax = 256u << 10;

struct Packet {
  std::uint8_t head = 0; ///< Type in the upper four bits, flags in the lower.
  std::string_view body; ///< Borrows the input.
};

/// Cuts the packet off the start of `input` that begins at `at`: bytes that it takes, 0 if it is
/// not whole yet, -1 if no packet can begin like this.
[[nodiscard]] inline std::ptrdiff_t cut_packet(std::string_view input, std::size_t at,
                                               Packet& out) {
  std::size_t length = 0;
  for (std::size_t i = 1; i <= 4; ++i) {
    if (at + i >= input.size()) {
      return 0;
    }
    const auto byte = static_cast<std::uint8_t>(input[at + i]);
    length |= static_cast<std::size_t>(byte & 0x7f) << (7 * (i - 1));
    if (byte < 0x80) {
      const std::size_t whole = 1 + i + length;
      if (whole > kPacketBytesMax) {
        return -1;
      }
      if (input.size() - at < whole) {
        return 0;
      }
      out = {static_cast<std::uint8_t>(input[at]), input.substr(at + 1 + i, length)};
      return static_cast<std::ptrdiff_t>(whole);
    }
  }
  return -1;
}

struct Publish {
  std::string_view topic;
  std::string_view payload;
  std::string_view packet_id; ///< Two bytes as they came; empty with QoS 0.
};

/// False unless it is a PUBLISH of QoS 0 or 1 whose fields fit.
[[nodiscard]] inline bool read_publish(const Packet& packet, Publish& out) {
  const unsigned qos = (packet.head >> 1) & 3u;
  if (packet.body.size() < 2 || qos > 1) {
    return false;
  }
  const std::size_t topic_bytes =
      static_cast<std::size_t>(static_cast<std::uint8_t>(packet.body[0])) << 8 |
      static_cast<std::uint8_t>(packet.body[1]);
  const std::size_t payload_at = 2 + topic_bytes + (qos == 1 ? 2 : 0);
  if (packet.body.size() < payload_at) {
    return false;
  }
  out.topic = packet.body.substr(2, topic_bytes);
  out.packet_id = packet.body.substr(2 + topic_bytes, qos == 1 ? 2 : 0);
  out.payload = packet.body.substr(payload_at);
  return true;
}

} // namespace spate::bench
