// Spate - what people type: durations, and arguments that may lie in a file.
#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"

namespace spate::cli {

/// "500ms", "30s", "15m", "24h", "7d" in milliseconds, 1 to 30 days. Error: usage.
Result<std::int64_t> parse_duration_ms(std::string_view text);

/// Whole seconds from 1 to 60. Error: usage.
Result<std::int64_t> parse_wait_s(std::string_view text);

/// Whether someone may have meant it as a time: 30, 1.5, 30s.
[[nodiscard]] bool looks_like_time(std::string_view text) noexcept;

/// JSON as it stands, `@file`, or `-` for `input`; checked to be one JSON value of at most 64 KiB.
/// Errors: usage (with the position of the fault), file_unreadable.
Result<std::string> read_args(const std::string& text, std::istream& input);

} // namespace spate::cli
