// Spate - what this binary is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spate::node {

[[nodiscard]] std::string_view version() noexcept; ///< "0.1.0"
[[nodiscard]] std::string_view commit() noexcept;  ///< Short hash; empty outside a checkout.
[[nodiscard]] std::optional<std::int64_t> built_ms() noexcept;
[[nodiscard]] std::string version_line(); ///< "spate 0.1.0 (5aaa4f9)", or without the commit.

} // namespace spate::node
