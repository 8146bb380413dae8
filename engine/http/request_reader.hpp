// Spate - bytes into requests: Boost.Beast's parser behind limits of our own, without any I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/http/request.hpp"

namespace spate::http {

struct RequestLimits {
  std::size_t head_bytes_max =
      16u << 10; ///< Request line and fields; also a chunk's head and trailers.
  std::size_t headers_max = 100;
  std::size_t body_bytes_max = 16u << 20;
};

/// Why a request is refused before a handler sees it.
enum class Refused : std::uint8_t {
  malformed,          ///< 400
  timed_out,          ///< 408
  body_too_large,     ///< 413
  target_too_long,    ///< 414
  expectation_failed, ///< 417
  head_too_large,     ///< 431
  not_implemented,    ///< 501: a method or transfer coding that no resource has.
  overloaded,         ///< 503: buffers of all connections are full, or the answer does not come.
  draining,           ///< 503: the server stops, the rest of the request is not waited for.
  version,            ///< 505
};
[[nodiscard]] std::uint16_t status_of(Refused refused) noexcept;

struct Refusal {
  Refused why = Refused::malformed;
  std::string detail; ///< For people; holds no bytes of the request.
};

/// Reads one request after the other. Bytes that it does not use must be shown again with more
/// behind them.
///
/// Limits: everything of RequestLimits, kTargetBytesMax; what it can not use yet never exceeds
///         head_bytes_max, and buffered_bytes() never exceeds twice body_bytes_max, or a body's
///         size and a little where Content-Length announced it.
/// Strict: one Host field in HTTP/1.1, no other transfer coding than chunked, no body of doubtful
/// length
///         (RFC 9112 section 6.3): what two readers could understand differently is refused.
class RequestReader {
public:
  explicit RequestReader(const RequestLimits& limits);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  enum class Step : std::uint8_t {
    need_more, ///< All usable bytes are used.
    head,      ///< request() has its header; feed on for the body, also if no bytes are left.
    complete,  ///< request() is whole until next() is called.
    failed,    ///< refusal() says why; the connection can not go on.
  };
  struct Fed {
    std::size_t used = 0;
    Step step = Step::need_more;
  };
  /// `bytes` are followed by Request::kBodyPaddingBytes readable bytes: a body that came in one
  /// piece is not copied, so request() is valid only until the caller gives up `bytes`.
  Fed feed(std::string_view bytes);

  /// Drops the body bytes that follow instead of keeping them: the request is already refused.
  void drop_body() noexcept;
  /// Forgets the request that was read.
  void next();

  [[nodiscard]] const Request& request() const noexcept { return request_; }
  [[nodiscard]] const Refusal& refusal() const noexcept { return refusal_; }
  [[nodiscard]] bool idle() const noexcept { return parser_ == nullptr; } ///< Between two requests.
  [[nodiscard]] bool head_complete() const noexcept { return head_complete_; }
  /// Keep-alive as the request's version and Connection field say.
  [[nodiscard]] bool keep_alive() const noexcept { return keep_alive_; }
  /// Expect: 100-continue: the body does not come before it is asked for.
  [[nodiscard]] bool expects_continue() const noexcept { return expects_continue_; }
  /// Bytes of body still to come as its header says; SIZE_MAX if chunked.
  [[nodiscard]] std::size_t body_bytes_left() const noexcept;
  /// Body bytes that arrived.
  [[nodiscard]] std::size_t body_bytes() const noexcept { return body_bytes_; }
  /// Memory held for the body.
  [[nodiscard]] std::size_t buffered_bytes() const noexcept;

private:
  class Parser;
  Fed failed(std::size_t used, Refused why, std::string detail);
  bool finish_head();
  [[nodiscard]] Refusal refusal_of_parser(int value) const;

  const RequestLimits limits_;
  std::unique_ptr<Parser> parser_; ///< Only while a request is being read.
  Request request_;
  Refusal refusal_;
  std::size_t head_bytes_ = 0;
  std::size_t body_bytes_ = 0;
  bool head_complete_ = false;
  bool keep_alive_ = true;
  bool expects_continue_ = false;
  bool drop_body_ = false;
  bool target_too_long_ = false;
};

} // namespace spate::http
