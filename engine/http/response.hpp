// Spate - what a handler answers, and its bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace spate::http {

class Exchange;
class Exchanges;

/// Hands over the part of a body that was asked for, now or later, on the loop's thread. Copyable;
/// may outlive its connection, then it does nothing. The Exchanges that made it must be alive.
class PartWriter {
public:
  enum class Then : std::uint8_t {
    more,  ///< Another part follows when it is asked for.
    end,   ///< This was the last one.
    abort, ///< The rest can not be made: the peer must see that the body is not whole.
  };
  PartWriter() = default;
  /// The first part counts; further ones are ignored until the next is asked for.
  void write(std::string_view bytes, Then then) const;

private:
  friend class Exchange;
  PartWriter(Exchanges& table, std::uint32_t slot, std::uint32_t generation, std::uint64_t number)
      : table_(&table), slot_(slot), generation_(generation), number_(number) {}

  Exchanges* table_ = nullptr;
  std::uint32_t slot_ = 0;
  std::uint32_t generation_ = 0;
  std::uint64_t number_ = 0;
};

/// A body that is made while it is sent, part by part, for answers of any length in bounded memory.
/// It goes out in chunks; to HTTP/1.0 it ends with the connection.
///
/// Thread: the loop's.
/// Life:   destroyed when the last part is handed over or the connection is gone, whatever comes
///         first, but never within pull(): so its end tells a maker of parts to stop.
class PartSource {
public:
  virtual ~PartSource() = default;
  /// Asks for the next part, when the peer has taken most of those before. Not called again before
  /// it is handed over. Parts of some hundred KiB keep a connection busy.
  virtual void pull(PartWriter writer) = 0;
};

struct Response {
  std::uint16_t status = 200;
  std::string content_type; ///< Empty: none is sent (204).
  std::string body;
  std::string_view static_body; ///< Instead of `body`, for texts that live as long as the program.
  std::vector<std::pair<std::string, std::string>>
      headers;                       ///< Beside those that append_response sets.
  std::unique_ptr<PartSource> parts; ///< Instead of `body`.

  [[nodiscard]] std::string_view content() const noexcept {
    return static_body.empty() ? std::string_view(body) : static_body;
  }
};

/// How one response goes out, decided by its request and the state of the connection.
struct ResponseFraming {
  bool head_only = false; ///< HEAD: the length is named, the body is not sent.
  bool close = false;     ///< Says `Connection: close`.
  bool http10 = false;    ///< Says `Connection: keep-alive` unless it closes.

  /// Of a body that comes in parts: as chunks, or to HTTP/1.0 until the connection ends.
  [[nodiscard]] bool chunked() const noexcept { return !http10; }
};

/// Appends status line, fields and body. `date` is the text of the Date field. Control characters
/// in fields become blanks, so that no text from outside can start a line of its own.
void append_response(std::string& out, const Response& response, ResponseFraming framing,
                     std::string_view date);

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
[[nodiscard]] std::string http_date(std::int64_t wall_ms);

} // namespace spate::http
