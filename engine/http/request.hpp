// Spate - a request as its handler sees it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/result.hpp"

namespace spate::http {

enum class Method : std::uint8_t { get, head, post, put, patch, del, options, other };
[[nodiscard]] std::string_view name_of(Method method) noexcept;

/// A request-target in origin form, taken apart (RFC 3986 section 3, RFC 9112 section 3.2).
struct Target {
  std::string_view path;             ///< As sent, without the query; borrows the parsed text.
  std::string_view authority;        ///< Of an absolute-form target; else empty.
  std::vector<std::string> segments; ///< The path at its slashes, each percent-decoded afterwards.
  std::vector<std::pair<std::string, std::string>> query; ///< Decoded, in order; `+` is a blank.
};

inline constexpr std::size_t kTargetBytesMax = 8192;
inline constexpr std::size_t kSegmentsMax = 16;
inline constexpr std::size_t kQueryParametersMax = 256;

/// Takes a request-target apart. `out` is reused. Error: malformed_http, with what is wrong for
/// people.
Result<void> parse_target(std::string_view target, Target& out);

/// Decodes %XX. False if a percent sign has no two hex digits behind it.
[[nodiscard]] bool percent_decode(std::string_view text, bool plus_is_blank, std::string& out);

/// One request. Handlers see it during their call only: header texts and body may lie in buffers of
/// the connection. The body is followed by kBodyPaddingBytes readable bytes, for the JSON parser.
class Request {
public:
  static constexpr std::size_t kBodyPaddingBytes = 64;

  Method method = Method::get;
  bool http11 = true;

  [[nodiscard]] std::string_view target() const noexcept { return view(target_); }
  [[nodiscard]] std::string_view path() const noexcept { return parsed_.path; }
  [[nodiscard]] const std::vector<std::string>& segments() const noexcept {
    return parsed_.segments;
  }
  [[nodiscard]] const auto& query() const noexcept { return parsed_.query; }
  /// Whose host is asked: the authority of the target, else the Host field.
  [[nodiscard]] std::string_view host() const noexcept;

  /// The first field of this name (any case), without surrounding blanks.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const noexcept;
  /// All fields of this name as one list, joined by commas (RFC 9110 section 5.3).
  [[nodiscard]] std::string header_list(std::string_view name) const;
  [[nodiscard]] std::size_t header_count(std::string_view name) const noexcept;
  [[nodiscard]] std::string_view body() const noexcept { return body_; }

private:
  friend class RequestReader;
  struct Span {
    std::uint32_t begin = 0;
    std::uint32_t size = 0;
  };
  struct Header {
    Span name;
    Span value;
  };
  [[nodiscard]] std::string_view view(Span span) const noexcept {
    return std::string_view(text_).substr(span.begin, span.size);
  }
  Span append(std::string_view text);
  void clear() noexcept;

  std::string text_; ///< Target and header texts, one behind the other.
  Span target_;
  std::vector<Header> headers_;
  Target parsed_;
  std::string buffer_;    ///< The body, where it came in pieces.
  std::string_view body_; ///< Into buffer_, or into the bytes that were read.
};

/// Whether two header names or tokens are equal but for the case of ASCII letters.
[[nodiscard]] bool same_token(std::string_view a, std::string_view b) noexcept;

} // namespace spate::http
