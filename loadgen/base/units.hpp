// Spate - the numbers of a command line: counts, rates, durations.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"

namespace spate::loadgen {

/// "20000", "20k", "1.5M": k, m and g (either case) are thousand, million, thousand million. Error:
/// usage.
Result<double> parse_number(std::string_view text);

/// As parse_number, but whole: 20k is 20000, not 20480. Error: usage.
Result<std::uint64_t> parse_count(std::string_view text);

/// "30s", "500ms", "2m", "1h", "1.5s", "20us", "5ns"; a bare number is seconds. Gives nanoseconds.
/// Error: usage.
Result<std::int64_t> parse_duration_ns(std::string_view text);

/// The shortest text that parse_duration_ns() reads as `ns`: 90 s is "90s", 3600 s is "1h". With a
/// minus before it if `ns` is below 0.
[[nodiscard]] std::string duration_text(std::int64_t ns);

} // namespace spate::loadgen
