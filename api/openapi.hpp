// Spate - the API's document, and what the build takes out of it (tools/embed_openapi.py).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace spate::api {

/// One entry of x-spate-problem-codes.
struct ProblemCode {
  std::string_view code;
  std::uint16_t status;
  std::string_view title;
  bool retry; ///< The same request may succeed later.
};

/// Sorted by status. All of the document, also those that only later operations use.
[[nodiscard]] std::span<const ProblemCode> problem_codes() noexcept;

/// The document as compact JSON; lives as long as the program.
[[nodiscard]] std::string_view openapi_json() noexcept;

} // namespace spate::api
