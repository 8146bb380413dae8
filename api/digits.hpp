// Spate - plain decimal digits, as strictly as addresses and parameters want them.
#pragma once

#include <string_view>

namespace spate::api {

/// At least one, and nothing else.
[[nodiscard]] constexpr bool all_digits(std::string_view text) noexcept {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

} // namespace spate::api
