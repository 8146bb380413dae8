// Spate - which bytes are UTF-8.
#pragma once

#include <string_view>

namespace spate {

/// Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. U+0000
/// passes. Eight ASCII bytes are one step.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

} // namespace spate
