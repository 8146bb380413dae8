#include "engine/http/request.hpp"

#include <array>

namespace spate::http {

namespace {

constexpr std::array<std::string_view, 8> kMethods = {"GET",   "HEAD",   "POST",    "PUT",
                                                      "PATCH", "DELETE", "OPTIONS", "OTHER"};

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char small = lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

Result<void> parse_query(std::string_view text, Target& out) {
  while (!text.empty()) {
    const std::size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (pair.empty()) {
      continue;
    }
    if (out.query.size() == kQueryParametersMax) {
      return fail(Errc::malformed_http, "the query has more than 256 parameters");
    }
    const std::size_t equals = pair.find('=');
    auto& [name, value] = out.query.emplace_back();
    const std::string_view raw_value =
        equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
    if (!percent_decode(pair.substr(0, equals), true, name) ||
        !percent_decode(raw_value, true, value)) {
      return fail(Errc::malformed_http, "a % in the query is not followed by two hex digits");
    }
  }
  return {};
}

/// Cuts "http://host:port" off an absolute-form target.
std::string_view cut_authority(std::string_view target, Target& out) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() >= scheme.size() && same_token(target.substr(0, scheme.size()), scheme)) {
      target.remove_prefix(scheme.size());
      const std::size_t end = target.find_first_of("/?");
      out.authority = target.substr(0, end);
      target = end == std::string_view::npos ? std::string_view("/") : target.substr(end);
      break;
    }
  }
  return target;
}

} // namespace

std::string_view name_of(Method method) noexcept {
  return kMethods[static_cast<std::size_t>(method)];
}

bool same_token(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) {
      return false;
    }
  }
  return true;
}

bool percent_decode(std::string_view text, bool plus_is_blank, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return false;
      }
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(text[i] == '+' && plus_is_blank ? ' ' : text[i]);
    }
  }
  return true;
}

Result<void> parse_target(std::string_view target, Target& out) {
  out.segments.clear();
  out.query.clear();
  out.authority = {};
  target = cut_authority(target, out);
  const std::size_t mark = target.find('?');
  out.path = target.substr(0, mark);
  if (target == "*") {
    return {}; // OPTIONS * asks for the server as a whole.
  }
  if (out.path.empty() || out.path.front() != '/') {
    return fail(Errc::malformed_http, "the request target does not start with /");
  }
  if (target.find('#') != std::string_view::npos) {
    return fail(Errc::malformed_http, "the request target holds a #; write it as %23");
  }
  std::string_view rest = out.path.substr(1);
  while (true) {
    if (out.segments.size() == kSegmentsMax) {
      return fail(Errc::malformed_http, "the path has more than 16 segments");
    }
    const std::size_t slash = rest.find('/');
    if (!percent_decode(rest.substr(0, slash), false, out.segments.emplace_back())) {
      return fail(Errc::malformed_http, "a % in the path is not followed by two hex digits");
    }
    if (slash == std::string_view::npos) {
      break;
    }
    rest.remove_prefix(slash + 1);
  }
  return mark == std::string_view::npos ? Result<void>{}
                                        : parse_query(target.substr(mark + 1), out);
}

std::string_view Request::host() const noexcept {
  return parsed_.authority.empty() ? header("host").value_or(std::string_view{})
                                   : parsed_.authority;
}

std::optional<std::string_view> Request::header(std::string_view name) const noexcept {
  for (const Header& field : headers_) {
    if (same_token(view(field.name), name)) {
      return view(field.value);
    }
  }
  return std::nullopt;
}

std::string Request::header_list(std::string_view name) const {
  std::string list;
  for (const Header& field : headers_) {
    if (same_token(view(field.name), name)) {
      list.append(list.empty() ? "" : ", ").append(view(field.value));
    }
  }
  return list;
}

std::size_t Request::header_count(std::string_view name) const noexcept {
  std::size_t count = 0;
  for (const Header& field : headers_) {
    count += same_token(view(field.name), name) ? 1u : 0u;
  }
  return count;
}

Request::Span Request::append(std::string_view text) {
  const Span span{static_cast<std::uint32_t>(text_.size()),
                  static_cast<std::uint32_t>(text.size())};
  text_.append(text);
  return span;
}

void Request::clear() noexcept {
  // An idle connection keeps little: what a large request needed is given back.
  constexpr std::size_t kKeptBytes = 1024;
  text_.clear();
  if (text_.capacity() > kKeptBytes) {
    text_.shrink_to_fit();
  }
  std::string().swap(buffer_);
  headers_.clear();
  parsed_.segments.clear();
  parsed_.query.clear();
  parsed_.path = parsed_.authority = body_ = {};
  target_ = {};
}

} // namespace spate::http
