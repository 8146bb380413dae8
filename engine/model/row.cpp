#include "engine/model/row.hpp"

#include <charconv>
#include <limits>

namespace spate::model {

namespace {

/// The same number without trailing zeros behind the point: 22.50 -> 22.5, 0.00 -> 0.
Decimal normalized(Decimal value) noexcept {
  while (value.scale > 0 && value.mantissa % 10 == 0) {
    value.mantissa /= 10;
    --value.scale;
  }
  return value;
}

bool same_value(const Value& a, const Value& b) noexcept {
  if (a.index() != b.index()) {
    return false;
  }
  if (const auto* left = std::get_if<Decimal>(&a)) {
    const Decimal x = normalized(*left);
    const Decimal y = normalized(std::get<Decimal>(b));
    return x.mantissa == y.mantissa && x.scale == y.scale;
  }
  if (const auto* left = std::get_if<NumberText>(&a)) {
    return left->text == std::get<NumberText>(b).text;
  }
  if (const auto* left = std::get_if<bool>(&a)) {
    return *left == std::get<bool>(b);
  }
  return std::get<std::string_view>(a) == std::get<std::string_view>(b);
}

} // namespace

bool parse_decimal(std::string_view text, Decimal& out) noexcept {
  const bool negative = !text.empty() && text.front() == '-';
  std::uint64_t mantissa = 0;
  std::size_t scale = 0;
  bool point = false;
  for (const char c : text.substr(negative ? 1 : 0)) {
    if (c == '.') {
      point = true;
      continue;
    }
    if (c < '0' || c > '9') {
      return false; // An exponent: its text is kept.
    }
    constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (mantissa > (kMax - digit) / 10) {
      return false;
    }
    mantissa = mantissa * 10 + digit;
    scale += point ? 1 : 0;
  }
  if (scale > kScaleMax || (negative && mantissa == 0)) {
    return false;
  }
  const auto magnitude = static_cast<std::int64_t>(mantissa);
  out = {negative ? -magnitude : magnitude, static_cast<std::uint8_t>(scale)};
  return true;
}

void append_boolean(std::string& row, bool value) {
  row.push_back(value ? '\1' : '\0');
}

void append_string(std::string& row, std::string_view value) {
  put_varint(row, value.size());
  row.append(value);
}

void append_decimal(std::string& row, Decimal value) {
  row.push_back(static_cast<char>(value.scale));
  put_svarint(row, value.mantissa);
}

void append_number_text(std::string& row, std::string_view text) {
  row.push_back(static_cast<char>(kNumberTextHead));
  append_string(row, text);
}

void append_text(std::string& out, Decimal value) {
  char text[kDecimalTextBytesMax];
  out.append(text, static_cast<std::size_t>(write_text(text, value) - text));
}

char* write_text(char* at, Decimal value) noexcept {
  constexpr std::size_t kDigitsMax = 20;
  const bool negative = value.mantissa < 0;
  const std::uint64_t magnitude = negative ? ~static_cast<std::uint64_t>(value.mantissa) + 1
                                           : static_cast<std::uint64_t>(value.mantissa);
  if (negative) {
    *at++ = '-';
  }
  char* const end = std::to_chars(at, at + kDigitsMax, magnitude).ptr;
  if (value.scale == 0) {
    return end;
  }
  const auto size = static_cast<std::size_t>(end - at);
  char digits[kDigitsMax];
  if (size > value.scale) { // Of a constant size: quicker than just the digits behind the point.
    char* const point = end - value.scale;
    std::memcpy(digits, point, kDigitsMax);
    *point = '.';
    std::memcpy(point + 1, digits, kDigitsMax);
    return end + 1;
  }
  std::memcpy(digits, at, kDigitsMax);
  *at++ = '0';
  *at++ = '.';
  const std::size_t zeros = value.scale - size;
  std::memset(at, '0', zeros);
  std::memcpy(at + zeros, digits, kDigitsMax);
  return at + value.scale;
}

std::size_t row_bytes(const Shape& shape, std::string_view bytes) noexcept {
  ByteReader reader(bytes);
  for (const Field& field : shape.fields()) {
    switch (field.value_class) {
    case ValueClass::boolean:
      reader.be<std::uint8_t>();
      break;
    case ValueClass::string:
      reader.bytes(reader.varint());
      break;
    case ValueClass::number:
      if (reader.be<std::uint8_t>() == kNumberTextHead) {
        reader.bytes(reader.varint());
      } else {
        reader.varint();
      }
      break;
    }
  }
  return reader.ok() ? static_cast<std::size_t>(reader.position() - bytes.data()) : 0;
}

bool same_values(const Shape& shape, std::string_view a, std::string_view b) noexcept {
  if (a == b) {
    return true;
  }
  RowReader left(shape, a);
  RowReader right(shape, b);
  Value x;
  Value y;
  for (std::size_t i = 0; i < shape.fields().size(); ++i) {
    if (!left.next(x) || !right.next(y) || !same_value(x, y)) {
      return false;
    }
  }
  return true;
}

std::uint64_t hash_values(const Shape& shape, std::string_view row) noexcept {
  RowReader reader(shape, row);
  Value value;
  std::uint64_t hash = 0;
  while (reader.next(value)) {
    if (const auto* decimal = std::get_if<Decimal>(&value)) {
      const Decimal plain = normalized(*decimal);
      hash = hash_bytes({reinterpret_cast<const char*>(&plain.mantissa), sizeof plain.mantissa},
                        hash * 31 + plain.scale);
    } else if (const auto* text = std::get_if<NumberText>(&value)) {
      hash = hash_bytes(text->text, hash * 31 + kNumberTextHead);
    } else if (const auto* boolean = std::get_if<bool>(&value)) {
      hash = hash * 31 + (*boolean ? 2u : 1u);
    } else {
      hash = hash_bytes(std::get<std::string_view>(value), hash * 31 + 3);
    }
  }
  return hash;
}

} // namespace spate::model
