#include "engine/json/string_sink.hpp"

#include <algorithm>

#include <rapidjson/internal/itoa.h>

#include "engine/json/utf8.hpp"

namespace spate::json {

namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighs = 0x8080808080808080;

/// High bits where a byte is below `limit`, which is at most 0x80. Bytes above 0x7f may differ.
constexpr std::uint64_t below(std::uint64_t bytes, unsigned char limit) noexcept {
  return (bytes - kOnes * limit) & ~bytes & kHighs;
}

constexpr bool plain_eight(std::uint64_t bytes) noexcept {
  const std::uint64_t special = below(bytes, 0x20) | below(bytes ^ (kOnes * '"'), 1) |
                                below(bytes ^ (kOnes * '\\'), 1) | (bytes & kHighs);
  return special == 0;
}

constexpr bool plain(unsigned char c) noexcept {
  return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/// Whether all of it is ASCII that needs no escape: nearly every name and value is.
bool all_plain(std::string_view text) noexcept {
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, text.data() + i, sizeof bytes);
    if (!plain_eight(bytes)) {
      return false;
    }
  }
  return std::all_of(text.begin() + static_cast<std::ptrdiff_t>(i), text.end(),
                     [](char c) { return plain(static_cast<unsigned char>(c)); });
}

/// `text` is UTF-8.
void append_escaped(StringSink& sink, std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  constexpr std::string_view kShort = "btn\0fr"; // Of 0x08 to 0x0d; 0x0b has none.
  constexpr std::size_t kEscapeBytesMax = 6;
  char* at = sink.room(kEscapeBytesMax * text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && c != '"' && c != '\\') {
      *at++ = c;
      continue;
    }
    *at++ = '\\';
    if (byte >= 0x20) {
      *at++ = c;
    } else if (byte >= 0x08 && byte <= 0x0d && byte != 0x0b) {
      *at++ = kShort[byte - 0x08u];
    } else {
      *at++ = 'u';
      *at++ = '0';
      *at++ = '0';
      *at++ = kHex[byte >> 4];
      *at++ = kHex[byte & 0x0f];
    }
  }
  sink.taken(at);
}

} // namespace

void StringSink::append(std::int64_t value) {
  // Quicker than std::to_chars for the many digits of a time.
  constexpr std::size_t kDigitsMax = 21;
  taken(rapidjson::internal::i64toa(value, room(kDigitsMax)));
}

void append_quoted(StringSink& sink, std::string_view text) {
  sink.Put('"');
  if (all_plain(text)) {
    sink.append(text);
  } else if (is_utf8(text)) {
    append_escaped(sink, text);
  } else {
    std::string clean;
    append_utf8_lossy(clean, text);
    append_escaped(sink, clean);
  }
  sink.Put('"');
}

} // namespace spate::json
