// Spate - percent-encoding for URLs (RFC 3986 section 2.1).
#pragma once

#include <string>
#include <string_view>

namespace spate {

/// Encodes all but unreserved characters, so that any text is one segment or one query value.
[[nodiscard]] inline std::string percent_encode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out.push_back(c);
    } else {
      out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  return out;
}

} // namespace spate
