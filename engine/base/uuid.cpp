#include "engine/base/uuid.hpp"

#include <algorithm>

namespace spate {

namespace {

constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::uint32_t kCounterMax = 0xfff;

constexpr bool dash_before(std::size_t byte) {
  return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

int digit_of(char c) noexcept {
  const std::size_t found = kDigits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
  return found == std::string_view::npos ? -1 : static_cast<int>(found);
}

} // namespace

std::string text_of(const Uuid& uuid) {
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
    if (dash_before(i)) {
      text.push_back('-');
    }
    text.push_back(kDigits[uuid.bytes[i] >> 4]);
    text.push_back(kDigits[uuid.bytes[i] & 15]);
  }
  return text;
}

std::optional<Uuid> parse_uuid(std::string_view text) noexcept {
  Uuid uuid;
  if (text.size() != 36) {
    return std::nullopt;
  }
  std::size_t at = 0;
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
    if (dash_before(i) && text[at++] != '-') {
      return std::nullopt;
    }
    const int high = digit_of(text[at]);
    const int low = digit_of(text[at + 1]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    uuid.bytes[i] = static_cast<unsigned char>(high << 4 | low);
    at += 2;
  }
  return uuid;
}

std::optional<Uuid> uuid_from_bytes(std::string_view bytes) noexcept {
  Uuid uuid;
  if (bytes.size() != uuid.bytes.size()) {
    return std::nullopt;
  }
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(uuid.bytes.data()));
  return uuid;
}

Uuid UuidSource::next(std::int64_t wall_ms) {
  if (wall_ms > last_ms_) {
    last_ms_ = wall_ms;
    counter_ = static_cast<std::uint32_t>(random_() & (kCounterMax >> 1)); // Room to count up.
  } else if (++counter_ > kCounterMax) {
    ++last_ms_;
    counter_ = 0;
  }
  Uuid uuid;
  const auto ms = static_cast<std::uint64_t>(last_ms_);
  for (std::size_t i = 0; i < 6; ++i) {
    uuid.bytes[i] = static_cast<unsigned char>(ms >> (40 - 8 * i));
  }
  uuid.bytes[6] = static_cast<unsigned char>(0x70 | counter_ >> 8);
  uuid.bytes[7] = static_cast<unsigned char>(counter_);
  std::uint64_t random = random_();
  for (std::size_t i = 8; i < 16; ++i, random >>= 8) {
    uuid.bytes[i] = static_cast<unsigned char>(random);
  }
  uuid.bytes[8] = static_cast<unsigned char>(0x80 | (uuid.bytes[8] & 0x3f));
  return uuid;
}

} // namespace spate
