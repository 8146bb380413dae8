#include "engine/base/utf8.hpp"

#include <cstdint>
#include <cstring>

namespace spate {

namespace {

/// Bytes that follow a lead byte beyond ASCII, or -1 where it can not lead.
int continuation_bytes(unsigned char lead) noexcept {
  if (lead >= 0xc2 && lead <= 0xdf) {
    return 1;
  }
  if (lead >= 0xe0 && lead <= 0xef) {
    return 2;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    return 3;
  }
  return -1;
}

/// The second byte decides overlong forms, surrogates and the upper end of Unicode.
bool second_byte_fits(unsigned char lead, unsigned char second) noexcept {
  switch (lead) {
  case 0xe0:
    return second >= 0xa0 && second <= 0xbf;
  case 0xed:
    return second >= 0x80 && second <= 0x9f;
  case 0xf0:
    return second >= 0x90 && second <= 0xbf;
  case 0xf4:
    return second >= 0x80 && second <= 0x8f;
  default:
    return second >= 0x80 && second <= 0xbf;
  }
}

/// True if the eight bytes at `at` are all ASCII.
bool ascii_word(const char* at) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return (word & 0x8080808080808080u) == 0;
}

} // namespace

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    if (text.size() - i >= 8 && ascii_word(text.data() + i)) {
      i += 8;
      continue;
    }
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const int more = continuation_bytes(lead);
    if (more < 0 || text.size() - i <= static_cast<std::size_t>(more)) {
      return false;
    }
    for (int k = 1; k <= more; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]);
      if (k == 1 ? !second_byte_fits(lead, byte) : (byte < 0x80 || byte > 0xbf)) {
        return false;
      }
    }
    i += 1 + static_cast<std::size_t>(more);
  }
  return true;
}

} // namespace spate
