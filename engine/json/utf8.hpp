// Spate - UTF-8 at simdjson's speed.
#pragma once

#include <string>
#include <string_view>

namespace spate::json {

/// Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;
/// Appends `text` with every byte that is not part of well-formed UTF-8 replaced by U+FFFD.
void append_utf8_lossy(std::string& out, std::string_view text);

} // namespace spate::json
