#include "api/parameters.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "api/digits.hpp"
#include "engine/base/percent.hpp"
#include "engine/telemetry/timestamp.hpp"

namespace spate::api {

namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kNsPerS = 1'000'000'000;
constexpr std::int64_t kTimeMax = std::numeric_limits<std::int64_t>::max();

std::int64_t ms_to_ns(std::int64_t ms) noexcept {
  if (ms <= 0) {
    return 0;
  }
  return ms > kTimeMax / kNsPerMs ? kTimeMax : ms * kNsPerMs;
}

std::optional<std::int64_t> unit_ms(std::string_view unit) noexcept {
  struct Unit {
    std::string_view name;
    std::int64_t ms;
  };
  constexpr Unit kUnits[] = {{"ms", 1},        {"s", 1000},       {"m", 60'000},
                             {"h", 3'600'000}, {"d", 86'400'000}, {"w", 604'800'000}};
  for (const Unit& entry : kUnits) {
    if (entry.name == unit) {
      return entry.ms;
    }
  }
  return std::nullopt;
}

/// "-24h".
std::optional<std::int64_t> parse_relative_ns(std::string_view text, std::int64_t now_ms) {
  const std::size_t digits = text.find_first_not_of("0123456789", 1);
  if (digits == std::string_view::npos || digits == 1) {
    return std::nullopt;
  }
  const auto unit = unit_ms(text.substr(digits));
  std::int64_t count = 0;
  if (!unit || std::from_chars(text.data() + 1, text.data() + digits, count).ec != std::errc{}) {
    return std::nullopt;
  }
  return count > now_ms / *unit ? 0 : ms_to_ns(now_ms - count * *unit);
}

std::string join(std::initializer_list<std::string_view> words) {
  std::string out;
  for (const std::string_view word : words) {
    out.append(out.empty() ? "" : ", ").append(word);
  }
  return out;
}

/// Of what came from outside, enough to recognise it.
std::string shown(std::string_view text) {
  return std::string(text.substr(0, 64));
}

} // namespace

std::optional<std::int64_t> parse_instant_ns(std::string_view text, std::int64_t now_ms) {
  if (all_digits(text) && text.size() <= 15) {
    std::int64_t ms = 0;
    std::from_chars(text.data(), text.data() + text.size(), ms);
    return ms_to_ns(ms);
  }
  if (text.size() > 1 && text.front() == '-') {
    return parse_relative_ns(text, now_ms);
  }
  if (text.size() < 19 || text.size() > 64) {
    return std::nullopt;
  }
  std::string repaired(text);
  if (const std::size_t blank = repaired.rfind(' '); blank != std::string::npos && blank > 10) {
    repaired[blank] = '+';
  }
  std::int64_t seconds = 0;
  std::int64_t ns = 0;
  if (!telemetry::seconds_of_rfc3339(repaired, seconds, ns)) {
    return std::nullopt;
  }
  if (seconds < 0) {
    return 0;
  }
  return seconds >= kTimeMax / kNsPerS ? kTimeMax : seconds * kNsPerS + ns;
}

void Parameters::refuse(std::string_view name, std::string detail, std::string item) {
  if (!problem_) {
    problem_ = Problem{"invalid-parameter", std::move(detail), {}, std::nullopt};
  }
  problem_->errors.push_back(
      {std::nullopt, std::nullopt, shown(name), "invalid-parameter", std::move(item)});
}

void Parameters::allow(std::initializer_list<std::string_view> known,
                       std::initializer_list<std::string_view> later) {
  const auto in = [](const auto& list, std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  for (const auto& [name, value] : request_.query()) {
    if (in(later, name)) {
      refuse(name, name + " comes with a later version of this node.", "not yet");
    } else if (!in(known, name)) {
      refuse(name,
             "'" + shown(name) + "' is no parameter here" +
                 (known.size() == 0 ? "." : "; there are " + join(known) + "."),
             "unknown");
    }
  }
}

std::optional<std::string> Parameters::text(std::string_view name) {
  const std::string* found = nullptr;
  for (const auto& [key, value] : request_.query()) {
    if (key == name) {
      if (found != nullptr) {
        refuse(name, std::string(name) + " is given more than once.", "repeated");
        return std::nullopt;
      }
      found = &value;
    }
  }
  return found == nullptr ? std::nullopt : std::optional<std::string>(*found);
}

std::optional<std::int64_t> Parameters::instant_ns(std::string_view name) {
  const auto value = text(name);
  if (!value) {
    return std::nullopt;
  }
  const auto parsed = parse_instant_ns(*value, now_ms_);
  if (!parsed) {
    refuse(name,
           std::string(name) + " is '" + shown(*value) +
               "'; give epoch milliseconds, RFC 3339, or a time before now like -24h.",
           "not an instant");
  }
  return parsed;
}

std::size_t Parameters::choice(std::string_view name,
                               std::initializer_list<std::string_view> values) {
  const auto value = text(name);
  if (!value) {
    return 0;
  }
  const auto found = std::find(values.begin(), values.end(), *value);
  if (found == values.end()) {
    refuse(name, std::string(name) + " is '" + shown(*value) + "'; it takes " + join(values) + ".",
           "one of " + join(values));
    return 0;
  }
  return static_cast<std::size_t>(found - values.begin());
}

bool Parameters::flag(std::string_view name) {
  const auto value = text(name);
  if (!value || *value == "false") {
    return false;
  }
  if (*value != "true" && !value->empty()) { // `?verbose` alone is taken as true.
    refuse(name, std::string(name) + " is '" + shown(*value) + "'; it takes true or false.",
           "true or false");
  }
  return true;
}

std::optional<std::int64_t> Parameters::span_ns(std::string_view name, bool may_be_negative) {
  const auto value = text(name);
  if (!value) {
    return std::nullopt;
  }
  std::string_view rest = *value;
  const bool negative = may_be_negative && rest.starts_with('-');
  rest.remove_prefix(negative ? 1 : 0);
  const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
  const auto unit = unit_ms(rest.substr(digits));
  std::int64_t count = 0;
  const auto read = std::from_chars(rest.data(), rest.data() + digits, count);
  const bool known = digits != 0 && unit && read.ec == std::errc{};
  if (!known || (count == 0 && !may_be_negative)) {
    refuse(name,
           std::string(name) + " is '" + shown(*value) + "'; give a number of ms, s, m, h, d or w" +
               (may_be_negative ? ", like -8h." : ", like 15m."),
           "not a time span");
    return std::nullopt;
  }
  constexpr std::int64_t kMsMax = kSpanDaysMax * 86'400'000;
  if (count > kMsMax / *unit) {
    refuse(name,
           std::string(name) + " is '" + shown(*value) + "'; the maximum is " +
               std::to_string(kSpanDaysMax) + "d.",
           "too long");
    return std::nullopt;
  }
  return (negative ? -1 : 1) * count * *unit * kNsPerMs;
}

std::vector<std::string> Parameters::words(std::string_view name) {
  std::vector<std::string> out;
  for (const auto& [key, value] : request_.query()) {
    for (std::string_view rest = value; key == name;) {
      const std::size_t comma = rest.find(',');
      const std::string_view word = rest.substr(0, comma);
      if (std::find(out.begin(), out.end(), word) == out.end()) {
        out.emplace_back(word);
      }
      if (comma == std::string_view::npos) {
        break;
      }
      rest.remove_prefix(comma + 1);
    }
  }
  return out;
}

std::size_t Parameters::limit(std::size_t default_value) {
  const auto value = text("limit");
  if (!value) {
    return default_value;
  }
  std::size_t number = 0;
  if (!all_digits(*value) || value->size() > 18) {
    refuse("limit", "limit is '" + shown(*value) + "'; give a number from 1 to 10000.",
           "not a number");
    return default_value;
  }
  std::from_chars(value->data(), value->data() + value->size(), number);
  if (number == 0 || number > kLimitMax) {
    refuse("limit",
           "limit is " + *value + (number == 0 ? "; the minimum is 1." : "; the maximum is 10000."),
           number == 0 ? "at least 1" : "at most 10000");
    return default_value;
  }
  return number;
}

FieldFilter Parameters::fields() {
  FieldFilter filter;
  for (const auto& [name, value] : request_.query()) {
    if (name == "fields") {
      filter.add(value);
    }
  }
  return filter;
}

std::string next_link_base(const http::Request& request) {
  std::string base(request.path());
  char separator = '?';
  for (const auto& [name, value] : request.query()) {
    if (name != "cursor") {
      base.push_back(std::exchange(separator, '&'));
      base.append(percent_encode(name)).append("=").append(percent_encode(value));
    }
  }
  base.push_back(separator);
  return base;
}

std::string list_key(const http::Request& request) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : request.query()) {
    if (name != "cursor" && name != "limit") {
      parts.push_back(percent_encode(name) + "=" + percent_encode(value));
    }
  }
  std::stable_sort(parts.begin(), parts.end());
  std::string key;
  for (const std::string& segment : request.segments()) {
    key.append("/").append(percent_encode(segment));
  }
  for (const std::string& part : parts) {
    key.append("&").append(part);
  }
  return key;
}

std::string next_link(std::string_view base, std::string_view cursor) {
  std::string link = "<";
  link.append(base).append("cursor=").append(cursor).append(">; rel=\"next\"");
  return link;
}

} // namespace spate::api
