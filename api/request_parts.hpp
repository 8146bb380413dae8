// Spate - what several operations read from their requests.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "api/parameters.hpp"
#include "api/prefer.hpp"
#include "api/problems.hpp"

namespace spate::api {

/// What is wrong with the parameters of a page of `list`, those that were read before and `cursor`.
/// `take` gets the position that the cursor holds, if there is one; false: it is none of the list.
[[nodiscard]] std::optional<Problem>
page_problem(Parameters& parameters, std::string_view list,
             const std::function<bool(std::string& position)>& take);
[[nodiscard]] Names names_of(Parameters& parameters);
/// Error: what is wrong with the header.
[[nodiscard]] std::optional<Problem> read_prefer(const http::Request& request, Prefer& out);
/// Idempotency-Key; empty if there is none. Error as above.
[[nodiscard]] std::optional<Problem> read_key(const http::Request& request, std::string& out);

} // namespace spate::api
