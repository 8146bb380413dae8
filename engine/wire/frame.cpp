#include "engine/wire/codec.hpp"

namespace spate::wire {

FrameResult next_frame(std::string_view input, std::size_t packet_bytes_max) noexcept {
  FrameResult result;
  if (input.empty()) {
    return result;
  }
  const auto first = static_cast<unsigned char>(input[0]);
  if (first < 0x10) {
    result.status = FrameStatus::malformed;
    return result;
  }
  std::size_t body_bytes = 0;
  std::size_t at = 1;
  for (unsigned shift = 0;; shift += 7) {
    if (shift == 28) {
      result.status = FrameStatus::malformed;
      return result;
    }
    if (at == input.size()) {
      return result;
    }
    const auto byte = static_cast<unsigned char>(input[at++]);
    body_bytes |= static_cast<std::size_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      result.frame.length_minimal = byte != 0 || shift == 0;
      break;
    }
  }
  result.bytes = at + body_bytes;
  if (result.bytes > packet_bytes_max) {
    result.status = FrameStatus::too_large;
  } else if (result.bytes <= input.size()) {
    result.status = FrameStatus::complete;
    result.frame.type = static_cast<PacketType>(first >> 4);
    result.frame.flags = first & 0x0f;
    result.frame.body = std::string_view(input.data() + at, body_bytes);
  }
  return result;
}

} // namespace spate::wire
