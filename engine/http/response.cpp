#include "engine/http/response.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <ostream>

#include <boost/beast/http/status.hpp>

namespace spate::http {

namespace {

void append_number(std::string& out, std::uint64_t value) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  for (const char c : value) {
    out.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c);
  }
  out.append("\r\n");
}

} // namespace

// Beast's serializer walks buffer sequences of a message type of its own. Here the whole answer is
// one text that goes into the connection's buffer, so the header is written there directly.
void append_response(std::string& out, const Response& response, ResponseFraming framing,
                     std::string_view date) {
  const std::string_view content = response.content();
  out.reserve(out.size() + 256 + (framing.head_only ? 0 : content.size()));
  out.append("HTTP/1.1 ");
  append_number(out, response.status);
  out.push_back(' ');
  const auto reason =
      boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(response.status));
  out.append(reason.data(), reason.size()).append("\r\nDate: ").append(date).append("\r\n");
  if (!response.content_type.empty()) {
    append_field(out, "Content-Type", response.content_type);
    // A browser that is led here must not guess a page or script into an answer.
    out.append("X-Content-Type-Options: nosniff\r\n");
  }
  if (response.parts) {
    out.append(framing.chunked() ? "Transfer-Encoding: chunked\r\n" : "");
  } else if (response.status != 204) {
    out.append("Content-Length: ");
    append_number(out, content.size());
    out.append("\r\n");
  }
  for (const auto& [name, value] : response.headers) {
    append_field(out, name, value);
  }
  if (framing.close) {
    out.append("Connection: close\r\n");
  } else if (framing.http10) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
  if (!framing.head_only && response.status != 204) {
    out.append(content);
  }
}

std::string http_date(std::int64_t wall_ms) {
  constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = wall_ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 40> text;
  const int size = std::snprintf(text.data(), text.size(), "%s, %02d %s %d %02d:%02d:%02d GMT",
                                 kDays[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                                 kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900,
                                 utc.tm_hour, utc.tm_min, utc.tm_sec);
  return std::string(text.data(), static_cast<std::size_t>(size));
}

} // namespace spate::http
