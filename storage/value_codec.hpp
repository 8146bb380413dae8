// Spate - what the values of our small databases are made of: a version, integers and texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/bytes.hpp"

namespace spate::storage {

[[nodiscard]] inline std::string begin_value(std::uint8_t version) {
  return std::string(1, static_cast<char>(version));
}
[[nodiscard]] inline bool take_version(ByteReader& in, std::uint8_t version) noexcept {
  return in.be<std::uint8_t>() == version && in.ok();
}

inline void put_text(std::string& out, std::string_view text) {
  put_varint(out, text.size());
  out.append(text);
}
[[nodiscard]] inline std::string_view take_text(ByteReader& in) noexcept {
  return in.bytes(in.varint());
}

[[nodiscard]] inline bool complete(const ByteReader& in) noexcept {
  return in.ok() && in.empty();
}

/// Of a whole database.
[[nodiscard]] inline std::string encode_format(std::uint32_t format) {
  std::string out;
  put_be(out, format);
  return out;
}
[[nodiscard]] inline std::optional<std::uint32_t> decode_format(std::string_view value) {
  ByteReader in(value);
  const auto format = in.be<std::uint32_t>();
  return complete(in) ? std::optional(format) : std::nullopt;
}

} // namespace spate::storage
