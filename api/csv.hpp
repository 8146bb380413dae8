// Spate - CSV out (RFC 4180, lines end with LF).
#pragma once

#include <string>
#include <string_view>

namespace spate::api {

/// Appends one cell. What could be read otherwise is quoted: commas, quotes, line ends, blanks at
/// its ends, and the empty text, which so differs from a cell without a value.
inline void append_csv(std::string& out, std::string_view text) {
  const bool quoted = text.empty() || text.front() == ' ' || text.back() == ' ' ||
                      text.find_first_of(",\"\r\n") != std::string_view::npos;
  if (!quoted) {
    out.append(text);
    return;
  }
  out.push_back('"');
  for (const char c : text) {
    if (c == '"') {
      out.push_back('"');
    }
    out.push_back(c);
  }
  out.push_back('"');
}

} // namespace spate::api
