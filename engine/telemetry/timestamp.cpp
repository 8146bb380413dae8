#include "engine/telemetry/timestamp.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace spate::telemetry {

namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();

constexpr auto kPowers = [] {
  std::array<std::uint64_t, 20> powers{};
  std::uint64_t power = 1;
  for (std::size_t i = 0; i < powers.size(); ++i, power *= 10) {
    powers[i] = power;
  }
  return powers;
}();

/// Decimal places between the unit and the nanosecond. `integer_digits` is the length of the part
/// before the point, for the rule of TimeUnit::automatic.
int places_to_ns(TimeUnit unit, int integer_digits) noexcept {
  switch (unit) {
  case TimeUnit::s:
    return 9;
  case TimeUnit::ms:
    return 6;
  case TimeUnit::us:
    return 3;
  case TimeUnit::ns:
  case TimeUnit::rfc3339:
    return 0;
  case TimeUnit::automatic:
    break;
  }
  if (integer_digits <= 11) {
    return 9;
  }
  return integer_digits <= 14 ? 6 : (integer_digits <= 17 ? 3 : 0);
}

int digits_of(std::uint64_t value) noexcept {
  int digits = 0;
  while (digits < 20 && value >= kPowers[static_cast<std::size_t>(digits)]) {
    ++digits;
  }
  return digits;
}

/// Numbers with an exponent or more digits than 64 bits hold: on the digits themselves.
bool time_of_digits(std::string_view text, TimeUnit unit, std::int64_t& time_ns) noexcept {
  constexpr int kExponentMax = 400; // Any larger one is out of range anyway.
  int point = 0;                    // Digits before the point, without leading zeros.
  int exponent = 0;
  std::size_t end = text.find_first_of("eE");
  if (end != text.npos) {
    std::string_view rest = text.substr(end + 1);
    const bool negative = rest.front() == '-';
    rest.remove_prefix(negative || rest.front() == '+' ? 1 : 0);
    for (const char c : rest) {
      exponent = exponent < kExponentMax ? exponent * 10 + (c - '0') : exponent;
    }
    exponent = negative ? -exponent : exponent;
  }
  const std::string_view digits = text.substr(0, end);
  bool behind_point = false;
  bool significant = false;
  for (const char c : digits) {
    behind_point = behind_point || c == '.';
    significant = significant || (c >= '1' && c <= '9');
    if (c != '.') {
      point += significant && !behind_point ? 1 : 0;
      point -= !significant && behind_point ? 1 : 0;
    }
  }
  if (!significant) {
    time_ns = 0;
    return true;
  }
  point += exponent;
  int wanted = point + places_to_ns(unit, point); // Digits of the result.
  if (wanted > 19) {
    time_ns = kTimeEnd;
    return true;
  }
  std::uint64_t value = 0;
  std::size_t i = 0;
  while (i < digits.size() && (digits[i] == '0' || digits[i] == '.')) {
    ++i;
  }
  for (; wanted > 0; --wanted) {
    i += i < digits.size() && digits[i] == '.' ? 1 : 0;
    value = value * 10 + (i < digits.size() ? static_cast<std::uint64_t>(digits[i] - '0') : 0);
    ++i;
  }
  time_ns = static_cast<std::int64_t>(std::min(value, kMax));
  return true;
}

/// Takes exactly `count` digits from the front.
bool take_field(std::string_view& text, std::size_t count, int& out) noexcept {
  if (text.size() < count) {
    return false;
  }
  out = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') {
      return false;
    }
    out = out * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return true;
}

bool take(std::string_view& text, char c) noexcept {
  if (text.empty() || text.front() != c) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar; years from 0 on.
std::int64_t days_of(int year, int month, int day) noexcept {
  constexpr std::array<int, 12> kBefore = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  // Leap days of all years before this one, year 0 included.
  const std::int64_t leap_days =
      year == 0 ? 0 : (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 + 1;
  constexpr std::int64_t kDaysTo1970 = 719'528;
  return year * std::int64_t{365} + leap_days + kBefore[static_cast<std::size_t>(month - 1)] +
         (leap && month > 2 ? 1 : 0) + day - 1 - kDaysTo1970;
}

int days_in_month(int year, int month) noexcept {
  constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[static_cast<std::size_t>(month - 1)];
}

bool take_date(std::string_view& text, std::int64_t& days) noexcept {
  int year = 0;
  int month = 0;
  int day = 0;
  if (!take_field(text, 4, year) || !take(text, '-') || !take_field(text, 2, month) ||
      !take(text, '-') || !take_field(text, 2, day)) {
    return false;
  }
  if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) {
    return false;
  }
  days = days_of(year, month, day);
  return true;
}

bool take_clock(std::string_view& text, std::int64_t& seconds) noexcept {
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!take_field(text, 2, hour) || !take(text, ':') || !take_field(text, 2, minute) ||
      !take(text, ':') || !take_field(text, 2, second)) {
    return false;
  }
  seconds = hour * 3600 + minute * 60 + second;
  return hour <= 23 && minute <= 59 && second <= 60;
}

bool take_fraction(std::string_view& text, std::int64_t& ns) noexcept {
  ns = 0;
  if (!take(text, '.')) {
    return true;
  }
  std::int64_t place = 100'000'000;
  std::size_t count = 0;
  for (; count < text.size() && text[count] >= '0' && text[count] <= '9'; ++count, place /= 10) {
    ns += (text[count] - '0') * place;
  }
  text.remove_prefix(count);
  return count > 0;
}

/// `Z`, an offset, or nothing, up to the end of the text.
bool take_zone(std::string_view text, std::int64_t& offset_s) noexcept {
  offset_s = 0;
  if (text.empty() || text == "Z" || text == "z") {
    return true;
  }
  const bool west = text.front() == '-';
  int hour = 0;
  int minute = 0;
  if ((!west && text.front() != '+') ||
      (text.remove_prefix(1), !take_field(text, 2, hour) || !take(text, ':') ||
                                  !take_field(text, 2, minute) || !text.empty())) {
    return false;
  }
  offset_s = (hour * 3600 + minute * 60) * (west ? -1 : 1);
  return hour <= 23 && minute <= 59;
}

} // namespace

bool time_of_number(const json::Number& number, TimeUnit unit, std::int64_t& time_ns) noexcept {
  if (unit == TimeUnit::rfc3339 || number.negative) {
    return false;
  }
  if (!number.plain || number.scale > 18) {
    return time_of_digits(number.text, unit, time_ns);
  }
  const std::uint64_t integer = number.mantissa / kPowers[number.scale];
  const int shift = places_to_ns(unit, digits_of(integer)) - static_cast<int>(number.scale);
  if (shift < 0) {
    time_ns =
        static_cast<std::int64_t>(number.mantissa / kPowers[static_cast<std::size_t>(-shift)]);
    return true;
  }
  const std::uint64_t power = kPowers[static_cast<std::size_t>(shift)];
  time_ns = number.mantissa > kMax / power ? kTimeEnd
                                           : static_cast<std::int64_t>(number.mantissa * power);
  return true;
}

bool time_of_text(std::string_view text, TimeUnit unit, std::int64_t& time_ns) noexcept {
  if (unit != TimeUnit::rfc3339) {
    json::Number number;
    if (json::read_number(text, number)) {
      return time_of_number(number, unit, time_ns);
    }
  }
  return (unit == TimeUnit::automatic || unit == TimeUnit::rfc3339) &&
         time_of_rfc3339(text, time_ns);
}

bool seconds_of_rfc3339(std::string_view text, std::int64_t& seconds, std::int64_t& ns) noexcept {
  std::int64_t days = 0;
  std::int64_t clock_s = 0;
  std::int64_t offset_s = 0;
  if (!take_date(text, days) || !(take(text, 'T') || take(text, 't') || take(text, ' ')) ||
      !take_clock(text, clock_s) || !take_fraction(text, ns) || !take_zone(text, offset_s)) {
    return false;
  }
  seconds = days * 86'400 + clock_s - offset_s;
  return true;
}

bool time_of_rfc3339(std::string_view text, std::int64_t& time_ns) noexcept {
  std::int64_t seconds = 0;
  std::int64_t ns = 0;
  // Before 1678 the product would overflow.
  if (!seconds_of_rfc3339(text, seconds, ns) || seconds < 0) {
    return false;
  }
  constexpr std::int64_t kSecondsMax = static_cast<std::int64_t>(kMax / 1'000'000'000) - 1;
  time_ns = seconds > kSecondsMax ? kTimeEnd : seconds * 1'000'000'000 + ns;
  return true;
}

} // namespace spate::telemetry
