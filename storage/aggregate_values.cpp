#include "storage/aggregate_values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace spate::storage {

namespace {

using model::Decimal;

constexpr auto kPowers = [] {
  std::array<Int128, model::kScaleMax + 1> powers{};
  Int128 power = 1;
  for (Int128& at : powers) {
    at = power;
    power *= 10;
  }
  return powers;
}();

int sign(Int128 value) noexcept {
  return (value > 0) - (value < 0);
}

/// a * 10^more against b.
int compare_scaled(std::int64_t a, unsigned more, std::int64_t b) noexcept {
  constexpr unsigned kFits = 19; // 2^63 * 10^19 < 2^127
  if (more > kFits) {
    // Any b lies below 10^19.
    return a != 0 ? sign(a) : -sign(b);
  }
  return sign(a * kPowers[more] - b);
}

int compare(Decimal a, Decimal b) noexcept {
  if (a.scale == b.scale) {
    return (a.mantissa > b.mantissa) - (a.mantissa < b.mantissa);
  }
  return a.scale < b.scale ? compare_scaled(a.mantissa, b.scale - a.scale, b.mantissa)
                           : -compare_scaled(b.mantissa, a.scale - b.scale, a.mantissa);
}

/// A number's text taken apart: digits d1 d2 d3 with d1 != 0 and no zeros at the end mean
/// 0.d1d2d3 * 10^exponent. No digits: 0.
struct Digits {
  std::array<char, model::kNumberTextBytesMax> digits;
  std::size_t size = 0;
  std::int64_t exponent = 0;
  bool negative = false;
};

/// Of an exponent's text; a longer one stands still far above what matters.
std::int64_t read_exponent(std::string_view text) noexcept {
  const bool negative = !text.empty() && text.front() == '-';
  std::int64_t value = 0;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      value = std::min<std::int64_t>(value * 10 + (c - '0'), 1'000'000'000'000);
    }
  }
  return negative ? -value : value;
}

Digits take_apart(std::string_view text) noexcept {
  Digits out;
  bool point = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == 'e' || c == 'E') {
      out.exponent += read_exponent(text.substr(i + 1));
      break;
    }
    if (c == '-') {
      out.negative = true;
    } else if (c == '.') {
      point = true;
    } else if (c == '0' && out.size == 0) {
      out.exponent -= point ? 1 : 0;
    } else if (out.size < out.digits.size()) {
      out.digits[out.size++] = c;
      out.exponent += point ? 0 : 1;
    }
  }
  while (out.size > 0 && out.digits[out.size - 1] == '0') {
    --out.size;
  }
  if (out.size == 0) {
    out.exponent = 0;
    out.negative = false;
  }
  return out;
}

int compare(const Digits& a, const Digits& b) noexcept {
  const auto sign_of = [](const Digits& x) { return x.size == 0 ? 0 : x.negative ? -1 : 1; };
  if (sign_of(a) != sign_of(b) || a.size == 0) {
    return sign_of(a) - sign_of(b);
  }
  int order = (a.exponent > b.exponent) - (a.exponent < b.exponent);
  if (order == 0) {
    order = std::string_view(a.digits.data(), a.size)
                .compare(std::string_view(b.digits.data(), b.size));
  }
  return a.negative ? -order : order;
}

Digits take_apart(const SentNumber& number) {
  if (!number.text.empty()) {
    return take_apart(number.text);
  }
  std::string text;
  model::append_text(text, number.decimal);
  return take_apart(text);
}

/// False if it does not fit.
bool decimal_of(const Digits& number, Int128& mantissa, std::uint8_t& scale) noexcept {
  constexpr std::int64_t kDigitsMax = 38;
  const std::int64_t decimals = static_cast<std::int64_t>(number.size) - number.exponent;
  if (static_cast<std::int64_t>(number.size) + std::max<std::int64_t>(-decimals, 0) > kDigitsMax ||
      decimals > std::int64_t{model::kScaleMax}) {
    return false;
  }
  mantissa = 0;
  for (std::size_t i = 0; i < number.size; ++i) {
    mantissa = mantissa * 10 + (number.digits[i] - '0');
  }
  for (std::int64_t zeros = -decimals; zeros > 0; --zeros) {
    mantissa *= 10;
  }
  mantissa = number.negative ? -mantissa : mantissa;
  scale = static_cast<std::uint8_t>(std::max<std::int64_t>(decimals, 0));
  return true;
}

double double_of(std::string_view text) noexcept {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? value : std::numeric_limits<double>::quiet_NaN();
}

/// mantissa * 10^-scale without zeros at its end.
void append_shortest(std::string& out, Int128 mantissa, unsigned scale) {
  for (; scale > 0 && mantissa % 10 == 0; --scale) {
    mantissa /= 10;
  }
  std::array<char, 40> digits;
  char* const end = digits.data() + digits.size();
  char* at = end;
  for (Int128 left = mantissa; left != 0; left /= 10) {
    const auto digit = static_cast<int>(left % 10); // Negative as `left`, whose magnitude may not
    *--at = static_cast<char>('0' + (digit < 0 ? -digit : digit)); // fit the type.
  }
  while (end - at <= static_cast<std::ptrdiff_t>(scale)) {
    *--at = '0';
  }
  if (mantissa < 0) {
    out.push_back('-');
  }
  out.append(at, end - scale);
  if (scale > 0) {
    out.append(1, '.').append(end - scale, end);
  }
}

} // namespace

int compare(const SentNumber& a, const SentNumber& b) noexcept {
  return a.text.empty() && b.text.empty() ? compare(a.decimal, b.decimal)
                                          : compare(take_apart(a), take_apart(b));
}

void append_text(std::string& out, const SentNumber& number) {
  if (number.text.empty()) {
    model::append_text(out, number.decimal);
  } else {
    out.append(number.text);
  }
}

void DecimalSum::add(Int128 part, std::uint8_t scale) noexcept {
  for (; scale > scale_ && part % 10 == 0; --scale) {
    part /= 10; // So that 1.000 does not take room for three more digits.
  }
  Int128 sum = exact_;
  Int128 added = part;
  const bool fits =
      (scale > scale_ ? !__builtin_mul_overflow(exact_, kPowers[scale - scale_], &sum)
                      : !__builtin_mul_overflow(part, kPowers[scale_ - scale], &added)) &&
      !__builtin_add_overflow(sum, added, &sum);
  if (fits) {
    exact_ = sum;
    scale_ = std::max(scale, scale_);
    return;
  }
  inexact_ = true;
  rest_ += static_cast<double>(static_cast<long double>(part) /
                               static_cast<long double>(kPowers[scale]));
}

void DecimalSum::add_text(std::string_view text) noexcept {
  Int128 mantissa = 0;
  std::uint8_t scale = 0;
  if (decimal_of(take_apart(text), mantissa, scale)) {
    add(mantissa, scale);
    return;
  }
  inexact_ = true;
  rest_ += double_of(text);
}

long double DecimalSum::value() const noexcept {
  return static_cast<long double>(exact_) / static_cast<long double>(kPowers[scale_]) +
         static_cast<long double>(rest_);
}

bool DecimalSum::append_sum(std::string& out) const {
  if (inexact_) {
    return append_double(out, static_cast<double>(value()));
  }
  append_shortest(out, exact_, scale_);
  return true;
}

bool DecimalSum::append_mean(std::string& out, std::uint64_t count) const {
  return append_double(out, static_cast<double>(value() / static_cast<long double>(count)));
}

bool append_double(std::string& out, double value) {
  if (!std::isfinite(value)) {
    return false;
  }
  if (value == 0) {
    value = 0; // Not -0.
  }
  const double magnitude = std::fabs(value);
  const bool plain = value == 0 || (magnitude >= 1e-6 && magnitude < 1e21);
  std::array<char, 32> text;
  char* const begin = text.data();
  char* const end = begin + text.size();
  const auto done = plain ? std::to_chars(begin, end, value, std::chars_format::fixed)
                          : std::to_chars(begin, end, value, std::chars_format::scientific);
  out.append(begin, done.ptr);
  return true;
}

void Percentiles::clear() noexcept {
  decimals_.clear();
  texts_.clear();
  scaled_.clear();
}

void Percentiles::append(std::string& out, unsigned percent) {
  const std::size_t rank = (size() * percent + 99) / 100 - 1;
  if (append_scaled(out, rank)) {
    return;
  }
  std::vector<SentNumber> all;
  all.reserve(size());
  for (const Decimal& value : decimals_) {
    all.push_back({value, {}});
  }
  for (const std::string& text : texts_) {
    all.push_back({{}, text});
  }
  const auto at = all.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(all.begin(), at, all.end(), [](const SentNumber& a, const SentNumber& b) {
    return storage::compare(a, b) < 0;
  });
  append_text(out, *at);
}

/// By plain integers, where all values fit them at their largest scale.
bool Percentiles::append_scaled(std::string& out, std::size_t rank) {
  if (!texts_.empty()) {
    return false;
  }
  std::uint8_t scale = 0;
  for (const Decimal& value : decimals_) {
    scale = std::max(scale, value.scale);
  }
  scaled_.clear();
  for (const Decimal& value : decimals_) {
    std::int64_t scaled = 0;
    if (__builtin_mul_overflow(value.mantissa, kPowers[scale - value.scale], &scaled)) {
      return false;
    }
    scaled_.push_back(scaled);
  }
  const auto at = scaled_.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(scaled_.begin(), at, scaled_.end());
  // As it was sent: one of those that are equal to it.
  const auto sent = std::find_if(decimals_.begin(), decimals_.end(), [&](const Decimal& value) {
    return value.mantissa * kPowers[scale - value.scale] == *at;
  });
  model::append_text(out, *sent);
  return true;
}

} // namespace spate::storage
