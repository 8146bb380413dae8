// Spate - /livez, /readyz, /version and the catalogue of problems: answered at once, on the loop.
#pragma once

#include <string_view>

#include "api/problems.hpp"
#include "api/services.hpp"
#include "engine/http/response.hpp"

namespace spate::api {

[[nodiscard]] http::Response livez(const Services& services);
/// 200 `ok` or `degraded` (some shard works), 503 `starting`, `draining` or `unavailable`.
[[nodiscard]] http::Response readyz(const Services& services, bool verbose);
[[nodiscard]] http::Response version(const Services& services);
[[nodiscard]] http::Response openapi();
[[nodiscard]] http::Response problems();
[[nodiscard]] http::Response problem(std::string_view code, const ProblemContext& context);

} // namespace spate::api
