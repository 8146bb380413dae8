// Spate - the problem that stands for a failed read of the store.
#pragma once

#include <string_view>

#include "api/problems.hpp"
#include "engine/base/result.hpp"

namespace spate::api {

/// 404 for an unknown device, 503 while the directory is closed, else 500 with a line in the log.
[[nodiscard]] http::Response store_problem(const Error& error, const ProblemContext& context,
                                           std::string_view device);

} // namespace spate::api
