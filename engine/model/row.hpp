// Spate - the values of one record as bytes: the form they have in blocks, log, tails and sealed
// blocks.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <variant>

#include "engine/base/bytes.hpp"
#include "engine/model/shape.hpp"

namespace spate::model {

/// A number as its text said it: mantissa * 10^-scale, with all its digits (22.50 has scale 2).
struct Decimal {
  std::int64_t mantissa = 0;
  std::uint8_t scale = 0;
};

/// A number whose text is kept, since mantissa and scale can not give it back: exponents, -0, more
/// than 18 digits. `text` borrows the row.
struct NumberText {
  std::string_view text;
};

/// A string value borrows the row.
using Value = std::variant<Decimal, NumberText, bool, std::string_view>;

/// Row bytes: the values in the order of the shape's fields, by class:
///   boolean  one byte, 0 or 1
///   string   varint length, UTF-8 bytes
///   number   one byte head: 0..kScaleMax = scale, then the mantissa as a zigzag varint;
///            kNumberTextHead = varint length, then the text
inline constexpr std::uint8_t kScaleMax = 30;
inline constexpr std::uint8_t kNumberTextHead = 0xff;

/// Longest number text that is taken; a longer one is `number-out-of-range`.
inline constexpr std::size_t kNumberTextBytesMax = 128;

/// Reads `text`, a number in JSON's grammar (RFC 8259 section 6), as mantissa and scale. False if
/// only the text itself can give the number back exactly.
[[nodiscard]] bool parse_decimal(std::string_view text, Decimal& out) noexcept;

/// The same onto a buffer that has room, for those who build a whole row: they give where it ends.
/// A decimal takes at most kDecimalBytesMax (and may overwrite as much), a text at most
/// kTextHeadBytesMax more than its own size.
inline constexpr std::size_t kDecimalBytesMax = 11;
inline constexpr std::size_t kTextHeadBytesMax = 11;
[[nodiscard]] inline char* write_varint(char* at, std::uint64_t value) noexcept {
  for (; value >= 0x80; value >>= 7) {
    *at++ = static_cast<char>(value | 0x80);
  }
  *at++ = static_cast<char>(value);
  return at;
}
/// The same where 8 bytes more than the varint takes may be overwritten.
[[nodiscard]] inline char* write_varint_wide(char* at, std::uint64_t value) noexcept {
  if constexpr (std::endian::native == std::endian::little) {
    if (value < 0x4000) { // Most: one byte or two.
      const unsigned more = value >= 0x80 ? 1 : 0;
      const auto x = static_cast<std::uint16_t>((value & 0x7f) | more << 7 | (value >> 7) << 8);
      std::memcpy(at, &x, sizeof x);
      return at + 1 + more;
    }
    if (value < std::uint64_t{1} << 56) {
      // Spreads seven bits to each byte in three steps, all bytes at once.
      std::uint64_t x = (value & 0x0fffffff) | ((value & 0x00fffffff0000000) << 4);
      x = (x & 0x00003fff00003fff) | ((x & 0x0fffc0000fffc000) << 2);
      x = (x & 0x007f007f007f007f) | ((x & 0x3f803f803f803f80) << 1);
      const auto last = (static_cast<unsigned>(std::bit_width(x | 1)) - 1) / 8;
      x |= 0x8080808080808080 & ((std::uint64_t{1} << (8 * last)) - 1);
      std::memcpy(at, &x, sizeof x);
      return at + last + 1;
    }
  }
  return write_varint(at, value);
}
[[nodiscard]] inline char* write_boolean(char* at, bool value) noexcept {
  *at++ = value ? '\1' : '\0';
  return at;
}
[[nodiscard]] inline char* write_string(char* at, std::string_view value) noexcept {
  at = write_varint(at, value.size());
  return at + value.copy(at, value.size());
}
[[nodiscard]] inline char* write_decimal(char* at, Decimal value) noexcept {
  *at++ = static_cast<char>(value.scale);
  return write_varint_wide(at, zigzag(value.mantissa));
}
[[nodiscard]] inline char* write_number_text(char* at, std::string_view text) noexcept {
  *at++ = static_cast<char>(kNumberTextHead);
  return write_string(at, text);
}

void append_boolean(std::string& row, bool value);
void append_string(std::string& row, std::string_view value);
void append_decimal(std::string& row, Decimal value);
void append_number_text(std::string& row, std::string_view text);

/// The decimal text of a number, as it was sent.
void append_text(std::string& out, Decimal value);
/// The same onto a buffer that has kDecimalTextBytesMax of room, all of which may be overwritten.
/// Takes any scale, also one that only a damaged row has.
inline constexpr std::size_t kDecimalTextBytesMax = 280;
[[nodiscard]] char* write_text(char* at, Decimal value) noexcept;

/// Reads the values of a row one by one, in the order of its shape.
class RowReader {
public:
  RowReader(const Shape& shape, std::string_view row) noexcept : shape_(&shape), bytes_(row) {}

  /// False at the end, or where the bytes do not fit the shape: then corrupt() is true.
  bool next(Value& out) noexcept {
    if (next_ == shape_->fields().size() || !bytes_.ok()) {
      return false;
    }
    switch (shape_->fields()[next_].value_class) {
    case ValueClass::boolean:
      out = bytes_.be<std::uint8_t>() != 0;
      break;
    case ValueClass::string:
      out = bytes_.bytes(bytes_.varint());
      break;
    case ValueClass::number: {
      const auto head = bytes_.be<std::uint8_t>();
      if (head == kNumberTextHead) {
        out = NumberText{bytes_.bytes(bytes_.varint())};
      } else {
        out = Decimal{bytes_.svarint(), head};
      }
      break;
    }
    }
    ++next_;
    return bytes_.ok();
  }
  [[nodiscard]] std::size_t field() const noexcept { return next_ - 1; } ///< Of the last value.
  [[nodiscard]] bool corrupt() const noexcept { return !bytes_.ok(); }
  [[nodiscard]] const char* position() const noexcept { return bytes_.position(); }

private:
  const Shape* shape_;
  ByteReader bytes_;
  std::size_t next_ = 0;
};

/// Bytes that the row at the start of `bytes` takes; 0 if it is cut.
[[nodiscard]] std::size_t row_bytes(const Shape& shape, std::string_view bytes) noexcept;

/// Whether two rows of one shape hold the same values. 22.5 and 22.50 are the same.
[[nodiscard]] bool same_values(const Shape& shape, std::string_view a, std::string_view b) noexcept;

/// A hash that is equal for rows that same_values() calls equal.
[[nodiscard]] std::uint64_t hash_values(const Shape& shape, std::string_view row) noexcept;

} // namespace spate::model
