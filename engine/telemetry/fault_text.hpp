// Spate - words for refused records.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/model/reject_reason.hpp"
#include "engine/telemetry/route.hpp"

namespace spate::telemetry {

/// A field's name, cut and made printable. It comes from the payload.
[[nodiscard]] std::string plain_name(std::string_view name);
/// The same in backticks.
[[nodiscard]] std::string quoted_name(std::string_view name);
/// "3 days", "1 day", "90 minutes": in the largest unit that loses little.
[[nodiscard]] std::string duration_text(std::int64_t ms);
/// What a time field should hold.
[[nodiscard]] const char* expected_time(TimeUnit unit) noexcept;
[[nodiscard]] std::string long_path_text(std::string_view path, std::size_t bytes_max);
/// Of reasons that need no more than their name.
[[nodiscard]] std::string describe(model::RejectReason reason);

/// Whether a number in JSON's grammar is within a double's range; one that is nearer to 0 than any
/// double is.
[[nodiscard]] bool fits_double(std::string_view number) noexcept;

} // namespace spate::telemetry
