#include "api/request_parts.hpp"

#include "api/cursor.hpp"

#include <algorithm>
#include <utility>

namespace spate::api {

namespace {

constexpr std::size_t kIdempotencyKeyBytesMax = 128;

Problem bad_header(std::string name, std::string detail) {
  Problem problem{"invalid-parameter", detail, {}, {}};
  problem.errors.push_back({{}, {}, std::move(name), "invalid-parameter", std::move(detail)});
  return problem;
}

} // namespace

std::optional<Problem> page_problem(Parameters& parameters, std::string_view list,
                                    const std::function<bool(std::string& position)>& take) {
  const auto cursor = parameters.text("cursor");
  if (parameters.failed()) {
    return parameters.problem();
  }
  if (cursor) {
    auto position = read_cursor(list, *cursor);
    if (!position || !take(*position)) {
      return Problem{
          "invalid-cursor",
          "This cursor is not from this list, or belongs to other parameters; start again without "
          "it.",
          {},
          {}};
    }
  }
  return std::nullopt;
}

Names names_of(Parameters& parameters) {
  return parameters.choice("names", {"raw", "path"}) == 0 ? Names::raw : Names::path;
}

std::optional<Problem> read_prefer(const http::Request& request, Prefer& out) {
  const auto prefer = parse_prefer(request.header_list("prefer"));
  if (!prefer) {
    return bad_header("Prefer", "Prefer: wait takes a whole number of seconds, at most 60: wait=5");
  }
  out = *prefer;
  return std::nullopt;
}

std::optional<Problem> read_key(const http::Request& request, std::string& out) {
  const std::size_t count = request.header_count("idempotency-key");
  if (count == 0) {
    return std::nullopt;
  }
  const std::string_view key = *request.header("idempotency-key");
  const bool visible =
      std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (count > 1 || key.empty() || key.size() > kIdempotencyKeyBytesMax || !visible) {
    return bad_header("Idempotency-Key",
                      "Idempotency-Key is given once, as 1 to 128 visible ASCII characters.");
  }
  out = key;
  return std::nullopt;
}

} // namespace spate::api
