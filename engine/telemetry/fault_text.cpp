#include "engine/telemetry/fault_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace spate::telemetry {

std::string plain_name(std::string_view name) {
  constexpr std::size_t kShown = 48;
  std::string out;
  std::size_t end = std::min(name.size(), kShown);
  while (end > 0 && end < name.size() && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) {
    --end; // Not in the middle of a character.
  }
  for (const char c : name.substr(0, end)) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(byte < 0x20 || byte == 0x7f ? '?' : c);
  }
  return out.append(end < name.size() ? "..." : "");
}

std::string quoted_name(std::string_view name) {
  return "`" + plain_name(name) + "`";
}

std::string duration_text(std::int64_t ms) {
  struct Unit {
    std::int64_t ms;
    std::string_view name;
  };
  constexpr std::array<Unit, 4> kUnits = {
      {{86'400'000, " day"}, {3'600'000, " hour"}, {60'000, " minute"}, {1'000, " second"}}};
  for (const Unit& unit : kUnits) {
    if (ms >= 2 * unit.ms || (ms >= unit.ms && ms % unit.ms == 0)) {
      const std::int64_t count = ms / unit.ms;
      return std::to_string(count).append(unit.name).append(count == 1 ? "" : "s");
    }
  }
  return std::to_string(ms) + " ms";
}

const char* expected_time(TimeUnit unit) noexcept {
  switch (unit) {
  case TimeUnit::automatic:
    return "give epoch seconds, milliseconds or smaller, or RFC 3339 text";
  case TimeUnit::s:
    return "the route asks for epoch seconds";
  case TimeUnit::ms:
    return "the route asks for epoch milliseconds";
  case TimeUnit::us:
    return "the route asks for epoch microseconds";
  case TimeUnit::ns:
    return "the route asks for epoch nanoseconds";
  case TimeUnit::rfc3339:
    break;
  }
  return "the route asks for RFC 3339 text";
}

std::string long_path_text(std::string_view path, std::size_t bytes_max) {
  return "the path of " + quoted_name(path) + " is longer than " + std::to_string(bytes_max) +
         " bytes";
}

std::string describe(model::RejectReason reason) {
  switch (reason) {
  case model::RejectReason::no_values:
    return "the record holds no value";
  case model::RejectReason::too_many_shapes:
    return "no more sets of field names can be taken; are names made up for each message?";
  case model::RejectReason::payload_too_large:
    return "a path is too long";
  default:
    return std::string(name_of(reason));
  }
}

bool fits_double(std::string_view number) noexcept {
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc::result_out_of_range) {
    return true;
  }
  // Too large and too small are one error code; the place of the first digit tells them apart.
  const std::size_t e = number.find_first_of("eE");
  const std::string_view digits = number.substr(0, e);
  const std::size_t point = std::min(digits.find('.'), digits.size());
  const std::size_t first = digits.find_first_of("123456789");
  std::int64_t exponent = 0;
  if (e != number.npos) {
    const bool negative = number[e + 1] == '-';
    for (const char c : number.substr(e + 1)) {
      if (c >= '0' && c <= '9') {
        exponent = std::min<std::int64_t>(exponent * 10 + (c - '0'), 1'000'000'000);
      }
    }
    exponent = negative ? -exponent : exponent;
  }
  return static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first) + exponent < 0;
}

} // namespace spate::telemetry
