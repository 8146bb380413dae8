// Spate - errors as RFC 9457 problems with a stable code.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/openapi.hpp"
#include "engine/http/request.hpp"
#include "engine/http/response.hpp"

namespace spate::api {

/// One of `errors`: which part of the request, and what is wrong with it.
struct ProblemItem {
  std::optional<std::uint32_t> index; ///< Of a record, from 0.
  std::optional<std::uint32_t> line;  ///< Of an NDJSON body, from 1.
  std::string parameter;              ///< Empty: none.
  std::string code;
  std::string detail;
  std::string pointer = {}; ///< JSON Pointer into the body; empty: none.
};

/// At most this many items are listed; what is counted is not cut.
inline constexpr std::size_t kProblemItemsMax = 1000;

/// Where a problem happened. Taken from the request while it is there, since answers may come
/// later.
struct ProblemContext {
  std::string instance; ///< The request target; left out if empty.
  std::string trace_id; ///< 32 hex digits, from `traceparent` or random.
};
[[nodiscard]] ProblemContext problem_context(const http::Request& request);

struct Problem {
  std::string_view code; ///< One of problem_codes(): a literal.
  std::string detail;
  std::vector<ProblemItem> errors;
  std::optional<std::uint32_t> retry_after_s;
  std::string command = {}; ///< The member `command`, as JSON; empty: none.
};

/// Null if there is no such code.
[[nodiscard]] const ProblemCode* find_problem_code(std::string_view code) noexcept;

/// The answer with its status, and Retry-After if given.
[[nodiscard]] http::Response problem_response(const Problem& problem,
                                              const ProblemContext& context);

} // namespace spate::api
