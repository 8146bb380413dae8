// Spate - what a handler answers, and its bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace spate::http {

struct Response {
  std::uint16_t status = 200;
  std::string content_type; ///< Empty: none is sent (204).
  std::string body;
  std::string_view static_body; ///< Instead of `body`, for texts that live as long as the program.
  std::vector<std::pair<std::string, std::string>>
      headers; ///< Beside those that append_response sets.

  [[nodiscard]] std::string_view content() const noexcept {
    return static_body.empty() ? std::string_view(body) : static_body;
  }
};

/// How one response goes out, decided by its request and the state of the connection.
struct ResponseFraming {
  bool head_only = false; ///< HEAD: the length is named, the body is not sent.
  bool close = false;     ///< Says `Connection: close`.
  bool http10 = false;    ///< Says `Connection: keep-alive` unless it closes.
};

/// Appends status line, fields and body. `date` is the text of the Date field. Control characters
/// in fields become blanks, so that no text from outside can start a line of its own.
void append_response(std::string& out, const Response& response, ResponseFraming framing,
                     std::string_view date);

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
[[nodiscard]] std::string http_date(std::int64_t wall_ms);

} // namespace spate::http
