#include "api/cursor.hpp"

#include <array>
#include <cstdint>

#include "engine/base/bytes.hpp"
#include "engine/base/hash.hpp"

namespace spate::api {

namespace {

constexpr char kVersion = 1;
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode(std::string_view bytes) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) {
      out.push_back(kAlphabet[(bits >> (count - 6)) & 63]);
    }
  }
  if (count > 0) {
    out.push_back(kAlphabet[(bits << (6 - count)) & 63]);
  }
  return out;
}

std::optional<std::string> decode(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) {
      return std::nullopt;
    }
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>((bits >> count) & 0xff));
    }
  }
  return out;
}

std::uint64_t check_of(std::string_view list, std::string_view position) {
  return hash_bytes(position, hash_bytes(list));
}

} // namespace

std::string make_cursor(std::string_view list, std::string_view position) {
  std::string bytes(1, kVersion);
  put_be(bytes, check_of(list, position));
  bytes.append(position);
  return encode(bytes);
}

std::optional<std::string> read_cursor(std::string_view list, std::string_view cursor) {
  if (cursor.size() > kCursorBytesMax) {
    return std::nullopt;
  }
  const auto bytes = decode(cursor);
  if (!bytes || bytes->size() < 9 || bytes->front() != kVersion) {
    return std::nullopt;
  }
  std::string position = bytes->substr(9);
  if (get_be<std::uint64_t>(bytes->data() + 1) != check_of(list, position)) {
    return std::nullopt;
  }
  return position;
}

} // namespace spate::api
