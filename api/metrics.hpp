// Spate - /metrics in Prometheus' text format, collected when asked.
#pragma once

#include "api/services.hpp"
#include "engine/http/exchange.hpp"
#include "engine/http/response.hpp"

namespace spate::api {

/// Reads the store's statistics: background thread. `http` is a copy taken on the API loop.
[[nodiscard]] http::Response read_metrics(const Services& services, const http::HttpCounts& http);

} // namespace spate::api
