// Spate - times as devices write them, exactly, in nanoseconds since 1970 UTC.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

#include "engine/json/number.hpp"
#include "engine/telemetry/route.hpp"

namespace spate::telemetry {

/// What times from the year 2262 on are read as; a record with this time is always in the future.
inline constexpr std::int64_t kTimeEnd = std::numeric_limits<std::int64_t>::max();

/// A JSON number as a time: integers, decimals and exponents, computed on their decimal digits,
/// never as a double. Digits beyond the nanosecond are cut off. False for `rfc3339` and for times
/// before 1970.
[[nodiscard]] bool time_of_number(const json::Number& number, TimeUnit unit,
                                  std::int64_t& time_ns) noexcept;

/// A text as a time: RFC 3339 where the unit is `automatic` or `rfc3339`, or a number in JSON's
/// grammar (devices do send "1653633988") where it is not `rfc3339`. A local time, without Z or an
/// offset
/// ("2018-11-15T08:54:18"), is taken as UTC.
[[nodiscard]] bool time_of_text(std::string_view text, TimeUnit unit,
                                std::int64_t& time_ns) noexcept;

/// RFC 3339 date-time: `T`, `t` or a blank in the middle, any number of fraction digits (cut behind
/// the ninth), `Z`, `z` or an offset; also without the last. Second 60 counts on into the next
/// minute.
[[nodiscard]] bool time_of_rfc3339(std::string_view text, std::int64_t& time_ns) noexcept;
/// The same grammar from the year 0 on: whole seconds since 1970, negative before, and the rest.
[[nodiscard]] bool seconds_of_rfc3339(std::string_view text, std::int64_t& seconds,
                                      std::int64_t& ns) noexcept;

} // namespace spate::telemetry
