// Spate - what this binary is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace spate::node {

[[nodiscard]] std::string_view version() noexcept; ///< "0.1.0"
[[nodiscard]] std::string_view commit() noexcept;  ///< Short hash, or "unknown" outside a checkout.
[[nodiscard]] std::int64_t built_ms() noexcept;
[[nodiscard]] std::string version_line(); ///< "spate 0.1.0 (5aaa4f9)"

} // namespace spate::node
