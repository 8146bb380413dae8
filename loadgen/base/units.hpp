// Spate - the numbers of a command line: counts, rates, durations.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/base/result.hpp"

namespace spate::loadgen {

/// "20000", "20k", "1.5M": k, m and g (either case) are thousand, million, thousand million. Error:
/// usage.
Result<double> parse_number(std::string_view text);

/// As parse_number, but whole: 20k is 20000, not 20480. Error: usage.
Result<std::uint64_t> parse_count(std::string_view text);

/// "30s", "500ms", "2m", "1h", "1.5s"; a bare number is seconds. Gives nanoseconds. Error: usage.
Result<std::int64_t> parse_duration_ns(std::string_view text);

} // namespace spate::loadgen
