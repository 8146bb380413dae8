// Spate - which operation a path names, and what it takes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/http/request.hpp"

namespace spate::api {

enum class Resource : std::uint8_t {
  none,
  server, ///< `OPTIONS *`.
  livez,
  readyz,
  version,
  metrics,
  openapi,
  problems,
  problem,
  devices,
  telemetry,
  telemetry_export,
  last,
  lasts,
  ledger,
  rejections,
  commands,
  command,
  operations,
  operation,
  store,
  store_compact,
  store_check,
  backups,
  backup,
};

struct Routed {
  Resource resource = Resource::none;
  std::string_view
      name; ///< The decoded {device_id}, {code} or {operation_id}; borrows the request.
  std::string_view command; ///< The decoded {command_id}.
};
[[nodiscard]] Routed route(const http::Request& request) noexcept;

/// "GET, HEAD, OPTIONS".
[[nodiscard]] std::string_view allowed_methods(Resource resource) noexcept;
[[nodiscard]] bool takes(Resource resource, http::Method method) noexcept;

/// Whether `host` (with or without a port) names this machine's loopback: 127.0.0.0/8, ::1,
/// localhost and names under it.
[[nodiscard]] bool is_loopback_host(std::string_view host) noexcept;

/// The media type of a Content-Type field, without parameters; as it came otherwise.
[[nodiscard]] std::string_view media_type(std::string_view content_type) noexcept;

} // namespace spate::api
