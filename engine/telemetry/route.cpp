#include "engine/telemetry/route.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/model/device_id.hpp"

namespace spate::telemetry {

namespace {

constexpr std::string_view kDevice = "{device}";
constexpr std::size_t kPatternBytesMax = 1024;
constexpr std::size_t kTimeFieldBytesMax = 512;

constexpr std::array<std::string_view, 3> kFormats = {"auto", "flat", "text"};
constexpr std::array<std::string_view, 6> kUnits = {"auto", "s", "ms", "us", "ns", "rfc3339"};

template <class Enum, std::size_t N>
std::optional<Enum> find_name(const std::array<std::string_view, N>& names,
                              std::string_view name) noexcept {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    return std::nullopt;
  }
  return static_cast<Enum>(found - names.begin());
}

tl::unexpected<Error> bad_pattern(std::string_view pattern, std::size_t offset,
                                  std::string_view why) {
  std::string detail = "pattern `";
  detail.append(pattern).append("`, character ").append(std::to_string(offset + 1));
  detail.append(": ").append(why);
  return fail(Errc::config_invalid, std::move(detail));
}

} // namespace

const char* time_field_fault(std::string_view path) noexcept {
  if (path.size() > kTimeFieldBytesMax) {
    return "is longer than 512 bytes";
  }
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '\\') {
      ++i;
      if (i == path.size() || (path[i] != '.' && path[i] != '\\')) {
        return "is no path: `\\` may only stand before `.` or `\\`";
      }
    }
  }
  return model::is_utf8(path) ? nullptr : "is not UTF-8";
}

std::string_view name_of(Format format) noexcept {
  return kFormats[static_cast<std::size_t>(format)];
}
std::optional<Format> format_of(std::string_view name) noexcept {
  return find_name<Format>(kFormats, name);
}
std::string_view name_of(TimeUnit unit) noexcept {
  return kUnits[static_cast<std::size_t>(unit)];
}
std::optional<TimeUnit> time_unit_of(std::string_view name) noexcept {
  return find_name<TimeUnit>(kUnits, name);
}

RouteTable::RouteTable() {
  compiled_.push_back(std::move(*compile_one(Route{})));
}

Result<RouteTable> RouteTable::compile(std::vector<Route> routes) {
  if (routes.empty() || routes.size() > kRoutesMax) {
    return fail(Errc::config_invalid,
                routes.empty() ? "no route is given" : "more than 1000 routes are given");
  }
  RouteTable table;
  table.compiled_.clear();
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const std::string which = "route " + std::to_string(i + 1) + ": ";
    auto compiled = compile_one(std::move(routes[i]));
    if (!compiled) {
      return fail(compiled.error().code, which + compiled.error().detail);
    }
    for (std::size_t k = 0; k < i; ++k) {
      if (table.compiled_[k].route.pattern == compiled->route.pattern) {
        return fail(Errc::config_invalid, which + "pattern `" + compiled->route.pattern +
                                              "` is that of route " + std::to_string(k + 1) +
                                              " already, so this one would never match");
      }
    }
    table.compiled_.push_back(std::move(*compiled));
  }
  return table;
}

Result<void> RouteTable::check(const Route& route) {
  if (auto compiled = compile_one(route); !compiled) {
    return fail(std::move(compiled.error()));
  }
  return {};
}

Result<RouteTable::Compiled> RouteTable::compile_one(Route route) {
  const std::string& pattern = route.pattern;
  if (pattern.empty()) {
    return fail(Errc::config_invalid, "the pattern is empty");
  }
  if (pattern.size() > kPatternBytesMax) {
    return fail(Errc::config_invalid, "the pattern is longer than 1024 bytes");
  }
  if (const char* why = time_field_fault(route.time_path()); why != nullptr) {
    return fail(Errc::config_invalid, std::string("the time field ") + why);
  }
  if (route.future_max_ms < 0) {
    return fail(Errc::config_invalid, "the time that a record may lie ahead is negative");
  }
  if (!model::is_utf8(pattern) || pattern.find('\0') != std::string::npos) {
    return fail(Errc::config_invalid, "the pattern is not UTF-8, or holds a zero byte");
  }

  Compiled out;
  bool device = false;
  bool wildcard = false;
  for (std::size_t begin = 0; begin <= pattern.size();) {
    const std::size_t end = std::min(pattern.find('/', begin), pattern.size());
    const std::string_view level = std::string_view(pattern).substr(begin, end - begin);
    if (level == kDevice) {
      if (device) {
        return bad_pattern(pattern, begin, "`{device}` stands twice");
      }
      device = true;
      out.levels.push_back({LevelKind::device, {}});
    } else if (level == "+") {
      wildcard = true;
      out.levels.push_back({LevelKind::any, {}});
    } else if (level == "#") {
      if (end != pattern.size()) {
        return bad_pattern(pattern, begin, "`#` may only be the last level");
      }
      wildcard = true;
      out.levels.push_back({LevelKind::rest, {}});
    } else {
      if (const auto at = level.find_first_of("+#"); at != level.npos) {
        return bad_pattern(pattern, begin + at, "`+` and `#` must be a whole level");
      }
      if (const auto at = level.find_first_of("{}"); at != level.npos) {
        return bad_pattern(pattern, begin + at,
                           "the only placeholder is `{device}`, and it must be a whole level");
      }
      out.levels.push_back({LevelKind::literal, std::string(level)});
    }
    begin = end + 1;
  }
  if (device && !wildcard) {
    const std::size_t at = pattern.find(kDevice);
    out.simple = true;
    out.prefix = pattern.substr(0, at);
    out.suffix = pattern.substr(at + kDevice.size());
  }
  out.route = std::move(route);
  return out;
}

bool RouteTable::match_simple(const Compiled& compiled, std::string_view topic,
                              std::string_view& device) noexcept {
  const std::string& prefix = compiled.prefix;
  const std::string& suffix = compiled.suffix;
  if (topic.size() < prefix.size() + suffix.size() || !topic.starts_with(prefix) ||
      !topic.ends_with(suffix)) {
    return false;
  }
  device = topic.substr(prefix.size(), topic.size() - prefix.size() - suffix.size());
  return std::memchr(device.data(), '/', device.size()) == nullptr &&
         !(prefix.empty() && topic.starts_with('$'));
}

bool RouteTable::match_levels(const Compiled& compiled, std::string_view topic,
                              std::string_view& device) noexcept {
  if (compiled.levels.front().kind != LevelKind::literal && topic.starts_with('$')) {
    return false;
  }
  bool more = true; // Whether a level is left; an empty one is a level.
  for (const Level& level : compiled.levels) {
    if (level.kind == LevelKind::rest) {
      return true; // Also of the parent level itself.
    }
    if (!more) {
      return false;
    }
    const std::size_t end = topic.find('/');
    const std::string_view text = topic.substr(0, end);
    if (level.kind == LevelKind::literal && text != level.text) {
      return false;
    }
    if (level.kind == LevelKind::device) {
      device = text;
    }
    more = end != topic.npos;
    topic = more ? topic.substr(end + 1) : std::string_view();
  }
  return !more;
}

RouteMatch RouteTable::match(std::string_view topic, std::string_view client_id) const noexcept {
  for (const Compiled& compiled : compiled_) {
    std::string_view device = client_id;
    if (compiled.simple ? match_simple(compiled, topic, device)
                        : match_levels(compiled, topic, device)) {
      return {&compiled.route, device};
    }
  }
  return {};
}

} // namespace spate::telemetry
