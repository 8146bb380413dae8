// Spate - what several operations read from their requests.
#pragma once

#include <optional>
#include <string>

#include "api/parameters.hpp"
#include "api/prefer.hpp"
#include "api/problems.hpp"

namespace spate::api {

[[nodiscard]] Problem invalid_cursor();
[[nodiscard]] Names names_of(Parameters& parameters);
/// Error: what is wrong with the header.
[[nodiscard]] std::optional<Problem> read_prefer(const http::Request& request, Prefer& out);
/// Idempotency-Key; empty if there is none. Error as above.
[[nodiscard]] std::optional<Problem> read_key(const http::Request& request, std::string& out);

} // namespace spate::api
