// Spate tests - MQTT packets written by hand, byte by byte, so that a decoder is not tested by its
// own encoder.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "engine/wire/codec.hpp"

namespace spate::wire::test {

using namespace std::string_literals;
using namespace std::string_view_literals;

inline std::string byte(unsigned value) {
  return std::string(1, static_cast<char>(value));
}
inline std::string two(unsigned value) {
  return byte(value >> 8 & 0xff) + byte(value & 0xff);
}
inline std::string four(unsigned value) {
  return two(value >> 16) + two(value & 0xffff);
}
inline std::string str(std::string_view text) {
  return two(static_cast<unsigned>(text.size())) + std::string(text);
}
inline std::string variable(std::size_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) {
    out += byte(static_cast<unsigned>(value & 0x7f) | 0x80);
  }
  return out + byte(static_cast<unsigned>(value));
}
/// A block of properties with its length.
inline std::string properties(std::string_view block) {
  return variable(block.size()) + std::string(block);
}
inline std::string user_property(std::string_view name, std::string_view value) {
  return byte(38) + str(name) + str(value);
}
inline std::string packet(unsigned first, std::string_view body) {
  return byte(first) + variable(body.size()) + std::string(body);
}

inline Frame frame(PacketType type, std::string_view body, unsigned flags = 0) {
  Frame out;
  out.type = type;
  out.flags = static_cast<std::uint8_t>(flags);
  out.body = body;
  return out;
}

inline Frame frame_of(std::string_view bytes) {
  const FrameResult cut = next_frame(bytes, bytes.size());
  REQUIRE(cut.status == FrameStatus::complete);
  REQUIRE(cut.bytes == bytes.size());
  return cut.frame;
}

/// Bytes in a heap block of exactly their size: a sanitizer sees a read of one byte more.
class ExactCopy {
public:
  explicit ExactCopy(std::string_view bytes)
      : size_(bytes.size()), bytes_(new char[std::max<std::size_t>(size_, 1)]) {
    if (size_ != 0) {
      std::memcpy(bytes_.get(), bytes.data(), size_);
    }
  }
  /// At the end of the block, so that nothing of it lies behind the view.
  [[nodiscard]] std::string_view view() const {
    return {bytes_.get() + (size_ == 0 ? 1 : 0), size_};
  }

private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

/// The code of a refusal whose detail names a clause of the standard, or says that the limit is
/// ours.
template <class T>
Errc refused(const Result<T>& result) {
  REQUIRE_FALSE(result.has_value());
  const std::string& detail = result.error().detail;
  CAPTURE(detail);
  CHECK((detail.find("[MQTT") != std::string::npos ||
         detail.find("limit here") != std::string::npos));
  return result.error().code;
}

} // namespace spate::wire::test
