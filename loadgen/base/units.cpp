#include "loadgen/base/units.hpp"

#include <charconv>
#include <cmath>
#include <string>

namespace spate::loadgen {

namespace {

/// Splits "1.5ms" into 1.5 and "ms".
Result<double> split_number(std::string_view text, std::string_view& unit) {
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc{} || !std::isfinite(value) || value < 0) {
    return fail(Errc::usage, "\"" + std::string(text) + "\" is not a number");
  }
  unit = text.substr(static_cast<std::size_t>(read.ptr - text.data()));
  return value;
}

} // namespace

Result<double> parse_number(std::string_view text) {
  std::string_view unit;
  auto value = split_number(text, unit);
  if (!value) {
    return value;
  }
  if (unit.empty()) {
    return *value;
  }
  if (unit == "k" || unit == "K") {
    return *value * 1e3;
  }
  if (unit == "m" || unit == "M") {
    return *value * 1e6;
  }
  if (unit == "g" || unit == "G") {
    return *value * 1e9;
  }
  return fail(Errc::usage, "\"" + std::string(text) + "\" is not a number (20000, 20k, 1.5M)");
}

Result<std::uint64_t> parse_count(std::string_view text) {
  auto value = parse_number(text);
  if (!value) {
    return fail(std::move(value.error()));
  }
  if (*value > 1e15 || *value != std::floor(*value)) {
    return fail(Errc::usage, "\"" + std::string(text) + "\" is not a whole number");
  }
  return static_cast<std::uint64_t>(*value);
}

Result<std::int64_t> parse_duration_ns(std::string_view text) {
  std::string_view unit;
  auto value = split_number(text, unit);
  if (!value) {
    return fail(Errc::usage, "\"" + std::string(text) + "\" is not a duration (30s, 500ms, 2m)");
  }
  double scale = 0;
  if (unit.empty() || unit == "s") {
    scale = 1e9;
  } else if (unit == "ms") {
    scale = 1e6;
  } else if (unit == "m" || unit == "min") {
    scale = 60e9;
  } else if (unit == "h") {
    scale = 3600e9;
  } else if (unit == "us") {
    scale = 1e3;
  } else if (unit == "ns") {
    scale = 1;
  }
  if (scale == 0 || *value * scale > 1e18) {
    return fail(Errc::usage, "\"" + std::string(text) + "\" is not a duration (30s, 500ms, 2m)");
  }
  return std::llround(*value * scale); // 0.29 s are not 289,999,999 ns.
}

std::string duration_text(std::int64_t ns) {
  struct Unit {
    const char* name;
    std::uint64_t ns;
  };
  constexpr Unit kUnits[] = {{"h", 3'600'000'000'000}, {"m", 60'000'000'000}, {"s", 1'000'000'000},
                             {"ms", 1'000'000},        {"us", 1'000},         {"ns", 1}};
  const std::uint64_t size =
      ns < 0 ? 0 - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
  if (size == 0) {
    return "0s";
  }
  for (const Unit& unit : kUnits) {
    if (size % unit.ns == 0) {
      return (ns < 0 ? "-" : "") + std::to_string(size / unit.ns) + unit.name;
    }
  }
  return {}; // Every number divides by 1.
}

} // namespace spate::loadgen
