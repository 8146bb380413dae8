// Spate - pieces of JSON that several answers share.
#pragma once

#include <string_view>
#include <vector>

#include "api/problems.hpp"
#include "engine/http/response.hpp"
#include "engine/json/writer.hpp"
#include "engine/model/row.hpp"

namespace spate::api {

/// The member `errors`, cut to kProblemItemsMax.
void write_errors(json::Writer& out, const std::vector<ProblemItem>& errors);

/// A stored value as it was sent; `numbers_as_text` makes strings of numbers.
void append_value(json::StringSink& out, const model::Value& value, bool numbers_as_text);

/// 200 with application/json and an empty body to be filled.
[[nodiscard]] http::Response json_response();

} // namespace spate::api
