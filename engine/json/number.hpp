// Spate - a JSON number read in one pass: its grammar checked, its digits kept exactly.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

namespace spate::json {

/// A number of the document. `text` borrows it.
struct Number {
  std::string_view text;
  std::uint64_t mantissa = 0; ///< All digits as one integer; only if `plain`.
  std::uint32_t scale = 0;    ///< Digits behind the point; only if `plain`.
  bool negative = false;
  bool plain = false; ///< No exponent, and the mantissa fits an int64.
};

namespace detail {

/// Whether all eight bytes are ASCII digits.
[[nodiscard]] inline bool eight_digits(std::uint64_t bytes) noexcept {
  return ((bytes & 0xf0f0f0f0f0f0f0f0) |
          (((bytes + 0x0606060606060606) & 0xf0f0f0f0f0f0f0f0) >> 4)) == 0x3333333333333333;
}

/// The number that eight ASCII digits say, the first one in the lowest byte.
[[nodiscard]] inline std::uint64_t eight_digits_value(std::uint64_t bytes) noexcept {
  bytes -= 0x3030303030303030;
  bytes = bytes * 10 + (bytes >> 8);
  return (((bytes & 0x000000ff000000ff) * (100 + (1'000'000ull << 32))) +
          (((bytes >> 16) & 0x000000ff000000ff) * (1 + (10'000ull << 32)))) >>
         32;
}

[[nodiscard]] inline std::uint64_t load_eight(const char* at) noexcept {
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, at, sizeof bytes);
  return bytes;
}

inline constexpr std::uint64_t kPowersTo7[] = {1,      10,      100,       1'000,
                                               10'000, 100'000, 1'000'000, 10'000'000};

/// Takes digits from `at` up to `end` into `value` (modulo 2^64); gives where they stop. `Padded`:
/// 8 bytes behind the end are readable.
template <bool Padded>
[[nodiscard]] inline const char* take_digits(const char* at, const char* end,
                                             std::uint64_t& value) noexcept {
  if constexpr (std::endian::native == std::endian::little) {
    while (end - at >= 8) {
      const std::uint64_t bytes = load_eight(at);
      if (!eight_digits(bytes)) {
        break;
      }
      value = value * 100'000'000 + eight_digits_value(bytes);
      at += 8;
    }
    const auto left = static_cast<unsigned>(end - at);
    if (Padded && left - 1 < 7) {
      // The rest at once, if it is digits to the end: zeros move in from the front.
      const std::uint64_t bytes =
          (load_eight(at) << (64 - 8 * left)) | (0x3030303030303030 >> (8 * left));
      if (eight_digits(bytes)) {
        value = value * kPowersTo7[left] + eight_digits_value(bytes);
        return end;
      }
    }
  }
  for (; at != end; ++at) {
    const auto digit = static_cast<unsigned char>(*at - '0');
    if (digit > 9) {
      break;
    }
    value = value * 10 + digit;
  }
  return at;
}

/// Digits from the first one that is not zero.
[[nodiscard]] inline std::size_t significant_digits(std::string_view text) noexcept {
  std::size_t count = 0;
  for (const char c : text) {
    count += (c >= '1' && c <= '9') || (c == '0' && count > 0) ? 1 : 0;
  }
  return count;
}

/// Takes an exponent, which must reach to the end.
template <bool Padded>
[[nodiscard]] inline bool take_exponent(const char*& at, const char* end) noexcept {
  if (*at != 'e' && *at != 'E') {
    return false;
  }
  ++at;
  at += at != end && (*at == '+' || *at == '-') ? 1 : 0;
  std::uint64_t ignored = 0;
  const char* const first = at;
  at = take_digits<Padded>(at, end, ignored);
  return at != first && at == end;
}

} // namespace detail

/// Reads the whole of `text`. False if it is no number in the grammar of RFC 8259 section 6.
/// `Padded`: 8 bytes behind the text are readable.
template <bool Padded = false>
[[nodiscard]] inline bool read_number(std::string_view text, Number& out) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  out.text = text;
  out.negative = at != end && *at == '-';
  at += out.negative ? 1 : 0;

  const char* const integer = at;
  std::uint64_t mantissa = 0;
  // Mostly one to four digits: a plain loop is quickest, and the long ones are few.
  for (; at != end && static_cast<unsigned char>(*at - '0') < 10; ++at) {
    mantissa = mantissa * 10 + static_cast<unsigned char>(*at - '0');
  }
  auto digits = static_cast<std::size_t>(at - integer);
  if (digits == 0 || (digits > 1 && *integer == '0')) {
    return false;
  }
  std::size_t scale = 0;
  if (at != end && *at == '.') {
    const char* const fraction = ++at;
    at = detail::take_digits<Padded>(at, end, mantissa);
    scale = static_cast<std::size_t>(at - fraction);
    if (scale == 0) {
      return false;
    }
    digits += scale;
  }
  const char* const exponent = at;
  if (at != end && !detail::take_exponent<Padded>(at, end)) {
    return false;
  }
  // 19 digits always fit 64 bits, so only then is the mantissa not taken modulo.
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  const bool fits = digits <= 19 || detail::significant_digits(text) <= 19;
  out.plain = exponent == end && fits && mantissa <= kMax;
  out.mantissa = mantissa;
  out.scale = static_cast<std::uint32_t>(scale);
  return true;
}

} // namespace spate::json
