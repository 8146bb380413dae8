#include "api/router.hpp"

#include <algorithm>
#include <array>

#include "api/digits.hpp"

namespace spate::api {

namespace {

struct Entry {
  std::array<std::string_view, 5> path; ///< "*" takes any segment; trailing empty ones are unused.
  Resource resource;
};

constexpr std::array<Entry, 21> kEntries = {{
    {{"livez"}, Resource::livez},
    {{"readyz"}, Resource::readyz},
    {{"version"}, Resource::version},
    {{"metrics"}, Resource::metrics},
    {{"api", "v1", "openapi.json"}, Resource::openapi},
    {{"api", "v1", "problems"}, Resource::problems},
    {{"api", "v1", "problems", "*"}, Resource::problem},
    {{"api", "v1", "devices"}, Resource::devices},
    {{"api", "v1", "devices", "*", "telemetry"}, Resource::telemetry},
    {{"api", "v1", "devices", "*", "telemetry:export"}, Resource::telemetry_export},
    {{"api", "v1", "devices", "*", "commands"}, Resource::commands},
    {{"api", "v1", "telemetry", "last"}, Resource::lasts},
    {{"api", "v1", "operations"}, Resource::operations},
    {{"api", "v1", "operations", "*"}, Resource::operation},
    {{"api", "v1", "store"}, Resource::store},
    {{"api", "v1", "store:compact"}, Resource::store_compact},
    {{"api", "v1", "store:check"}, Resource::store_check},
    {{"api", "v1", "backups"}, Resource::backups},
    {{"api", "v1", "backups", "*"}, Resource::backup},
    {{"api", "v1", "ledger"}, Resource::ledger},
    {{"api", "v1", "rejections"}, Resource::rejections},
}};

/// 127.a.b.c with plain decimal numbers.
bool is_loopback_v4(std::string_view host) noexcept {
  if (!host.starts_with("127.")) {
    return false;
  }
  int parts = 0;
  while (true) {
    const std::size_t dot = host.find('.');
    const std::string_view part = host.substr(0, dot);
    if (!all_digits(part) || part.size() > 3) {
      return false;
    }
    ++parts;
    if (dot == std::string_view::npos) {
      return parts == 4;
    }
    host.remove_prefix(dot + 1);
  }
}

} // namespace

Routed route(const http::Request& request) noexcept {
  const auto& segments = request.segments();
  if (segments.empty()) {
    return {Resource::server, {}, {}};
  }
  if (segments.size() == 6 && segments[0] == "api" && segments[1] == "v1" &&
      segments[2] == "devices") {
    if (segments[4] == "commands") {
      return {Resource::command, segments[3], segments[5]};
    }
    if (segments[4] == "telemetry" && segments[5] == "last") {
      return {Resource::last, segments[3], {}};
    }
  }
  for (const Entry& entry : kEntries) {
    const auto size = static_cast<std::size_t>(
        std::find(entry.path.begin(), entry.path.end(), std::string_view{}) - entry.path.begin());
    if (size == 0 || size != segments.size()) {
      continue;
    }
    Routed routed{entry.resource, {}, {}};
    bool fits = true;
    for (std::size_t i = 0; i < size && fits; ++i) {
      if (entry.path[i] == "*") {
        routed.name = segments[i];
      } else {
        fits = entry.path[i] == segments[i];
      }
    }
    if (fits) {
      return routed;
    }
  }
  return {};
}

std::string_view allowed_methods(Resource resource) noexcept {
  switch (resource) {
  case Resource::server:
    return "GET, HEAD, POST, DELETE, OPTIONS";
  case Resource::telemetry:
    return "GET, HEAD, POST, DELETE, OPTIONS";
  case Resource::commands:
  case Resource::backups:
    return "GET, HEAD, POST, OPTIONS";
  case Resource::store_compact:
  case Resource::store_check:
    return "POST, OPTIONS";
  case Resource::command:
    return "GET, HEAD, DELETE, OPTIONS";
  default:
    return "GET, HEAD, OPTIONS";
  }
}

bool takes(Resource resource, http::Method method) noexcept {
  switch (method) {
  case http::Method::options:
    return true;
  case http::Method::get:
  case http::Method::head:
    return resource != Resource::server && resource != Resource::store_compact &&
           resource != Resource::store_check;
  case http::Method::post:
    return resource == Resource::telemetry || resource == Resource::commands ||
           resource == Resource::store_compact || resource == Resource::store_check ||
           resource == Resource::backups;
  case http::Method::del:
    return resource == Resource::command || resource == Resource::telemetry;
  default:
    return false;
  }
}

bool is_loopback_host(std::string_view host) noexcept {
  if (host.starts_with("[")) {
    const std::size_t end = host.find(']');
    return end != std::string_view::npos && host.substr(0, end + 1) == "[::1]" &&
           (end + 1 == host.size() || (host[end + 1] == ':' && all_digits(host.substr(end + 2))));
  }
  const std::size_t colon = host.find(':');
  if (colon != std::string_view::npos) {
    if (!all_digits(host.substr(colon + 1))) {
      return false;
    }
    host = host.substr(0, colon);
  }
  constexpr std::string_view kLocalhost = "localhost";
  if (host.size() > kLocalhost.size() && host[host.size() - kLocalhost.size() - 1] == '.') {
    host.remove_prefix(host.size() - kLocalhost.size()); // RFC 6761: names under it are it.
  }
  return http::same_token(host, kLocalhost) || is_loopback_v4(host);
}

std::string_view media_type(std::string_view content_type) noexcept {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) {
    type.remove_suffix(1);
  }
  return type;
}

} // namespace spate::api
