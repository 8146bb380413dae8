#include "engine/http/request_reader.hpp"

#include <cstdint>
#include <limits>
#include <ostream>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>

namespace spate::http {

namespace beast = boost::beast;
using ErrorCode = beast::error_code;

namespace {

Method method_of(beast::http::verb verb) noexcept {
  switch (verb) {
  case beast::http::verb::get:
    return Method::get;
  case beast::http::verb::head:
    return Method::head;
  case beast::http::verb::post:
    return Method::post;
  case beast::http::verb::put:
    return Method::put;
  case beast::http::verb::patch:
    return Method::patch;
  case beast::http::verb::delete_:
    return Method::del;
  case beast::http::verb::options:
    return Method::options;
  default:
    return Method::other;
  }
}

constexpr std::string_view text_of(beast::string_view text) noexcept {
  return {text.data(), text.size()};
}

} // namespace

std::uint16_t status_of(Refused refused) noexcept {
  switch (refused) {
  case Refused::malformed:
    return 400;
  case Refused::timed_out:
    return 408;
  case Refused::body_too_large:
    return 413;
  case Refused::target_too_long:
    return 414;
  case Refused::expectation_failed:
    return 417;
  case Refused::head_too_large:
    return 431;
  case Refused::not_implemented:
    return 501;
  case Refused::overloaded:
  case Refused::draining:
    return 503;
  case Refused::version:
    return 505;
  }
  return 400;
}

/// Beast calls back with views of the bytes; they go straight into the Request.
class RequestReader::Parser final : public beast::http::basic_parser<true> {
public:
  explicit Parser(RequestReader& reader) : reader_(reader) {
    header_limit(static_cast<std::uint32_t>(reader.limits_.head_bytes_max));
    body_limit(reader.limits_.body_bytes_max);
  }

private:
  void on_request_impl(beast::http::verb verb, beast::string_view, beast::string_view target,
                       int version, ErrorCode& ec) override {
    if (target.size() > kTargetBytesMax) {
      ec = beast::http::error::header_limit;
      return;
    }
    Request& request = reader_.request_;
    request.method = method_of(verb);
    request.http11 = version >= 11;
    request.target_ = request.append(text_of(target));
  }
  void on_response_impl(int, beast::string_view, int, ErrorCode&) override {}

  void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value,
                     ErrorCode& ec) override {
    if (reader_.head_complete_) {
      return; // A trailer: nothing here asks for one, and its size is bounded with its chunk.
    }
    Request& request = reader_.request_;
    if (request.headers_.size() == reader_.limits_.headers_max ||
        request.text_.size() + name.size() + value.size() > reader_.limits_.head_bytes_max) {
      ec = beast::http::error::header_limit;
      return;
    }
    const Request::Span name_span = request.append(text_of(name));
    request.headers_.push_back({name_span, request.append(text_of(value))});
  }
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, ErrorCode&) override {}

  std::size_t on_body_impl(beast::string_view body, ErrorCode&) override {
    if (reader_.body_bytes_ == 0 && body.size() == content_length().value_or(0)) {
      reader_.request_.body_ = text_of(body); // Whole at once: no copy.
      reader_.body_bytes_ = body.size();
    } else {
      take(body);
    }
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, ErrorCode&) override {
    take(body);
    return body.size();
  }
  void on_finish_impl(ErrorCode&) override {}

  void take(beast::string_view body) {
    reader_.body_bytes_ += body.size();
    if (!reader_.drop_body_) {
      std::string& buffer = reader_.request_.buffer_;
      const auto announced = static_cast<std::size_t>(content_length().value_or(0));
      // Doubling could end at twice the body. An announcement alone gets no memory, though: a
      // quarter must have come.
      if (reader_.body_bytes_ > announced / 4 && buffer.capacity() < announced) {
        buffer.reserve(announced + Request::kBodyPaddingBytes);
      }
      buffer.append(body.data(), body.size());
    }
  }

  RequestReader& reader_;
};

RequestReader::RequestReader(const RequestLimits& limits) : limits_(limits) {}
RequestReader::~RequestReader() = default;

RequestReader::Fed RequestReader::feed(std::string_view bytes) {
  std::size_t used = 0;
  if (parser_ == nullptr) {
    if (bytes.substr(0, 2) == "\r\n") {
      used = 2; // RFC 9112 section 2.2: an empty line before a request is passed over.
    }
    if (used == bytes.size() || bytes == "\r") {
      return {used, Step::need_more};
    }
    parser_ = std::make_unique<Parser>(*this);
  }
  while (true) {
    if (head_complete_ && parser_->is_done()) {
      if (!request_.buffer_.empty() && request_.body_.empty()) {
        const std::size_t size = request_.buffer_.size();
        request_.buffer_.append(Request::kBodyPaddingBytes, '\0');
        request_.body_ = std::string_view(request_.buffer_).substr(0, size);
      }
      return {used, Step::complete};
    }
    if (used == bytes.size()) {
      return {used, Step::need_more};
    }
    ErrorCode ec;
    const std::string_view rest = bytes.substr(used);
    const std::size_t taken = parser_->put(boost::asio::buffer(rest.data(), rest.size()), ec);
    used += taken;
    if (!head_complete_) {
      head_bytes_ += taken;
    }
    // Beast may not have looked at the request line before the header is whole.
    target_too_long_ = request_.target_.size == 0 && rest.find("\r\n") > kTargetBytesMax;
    if (ec && ec != beast::http::error::need_more) {
      refusal_ = refusal_of_parser(ec.value());
      return {used, Step::failed};
    }
    if (!head_complete_ && parser_->is_header_done()) {
      return {used, finish_head() ? Step::head : Step::failed};
    }
    if (!head_complete_ && head_bytes_ + (rest.size() - taken) >= limits_.head_bytes_max) {
      // Beast's limit is one of a call; this one is of the request.
      refusal_ = refusal_of_parser(static_cast<int>(beast::http::error::header_limit));
      return {used, Step::failed};
    }
    if (ec) {
      if (rest.size() - taken > limits_.head_bytes_max) {
        return failed(used, Refused::malformed, "the head or trailer of a chunk is too long");
      }
      return {used, Step::need_more};
    }
  }
}

bool RequestReader::finish_head() {
  head_complete_ = true;
  keep_alive_ = parser_->keep_alive();
  const auto refuse = [this](Refused why, std::string detail) {
    refusal_ = {why, std::move(detail)};
    return false;
  };
  if (auto parsed = parse_target(request_.target(), request_.parsed_); !parsed) {
    return refuse(Refused::malformed, std::move(parsed.error().detail));
  }
  const std::size_t hosts = request_.header_count("host");
  if (hosts > 1 || (hosts == 0 && request_.http11)) {
    return refuse(Refused::malformed,
                  hosts == 0 ? "the Host field is missing" : "there is more than one Host field");
  }
  if (const std::size_t codings = request_.header_count("transfer-encoding"); codings > 0) {
    if (!request_.http11) {
      return refuse(Refused::malformed, "HTTP/1.0 knows no Transfer-Encoding");
    }
    if (codings > 1 || !same_token(*request_.header("transfer-encoding"), "chunked")) {
      return refuse(Refused::not_implemented, "the only transfer coding taken here is chunked");
    }
  }
  if (const auto expect = request_.header("expect"); expect && request_.http11) {
    if (!same_token(*expect, "100-continue")) {
      return refuse(Refused::expectation_failed, "the only expectation met here is 100-continue");
    }
    expects_continue_ = !parser_->is_done();
  }
  if (request_.method == Method::other) {
    return refuse(Refused::not_implemented, "no resource here has this method");
  }
  return true;
}

Refusal RequestReader::refusal_of_parser(int value) const {
  using beast::http::error;
  switch (static_cast<error>(value)) {
  case error::header_limit:
    if (target_too_long_) {
      return {Refused::target_too_long, "the request target has more than 8192 bytes"};
    }
    return {Refused::head_too_large, "the header has more than " +
                                         std::to_string(limits_.head_bytes_max) + " bytes or " +
                                         std::to_string(limits_.headers_max) + " fields"};
  case error::body_limit:
    return {Refused::body_too_large, "the body is larger than the limit of " +
                                         std::to_string(limits_.body_bytes_max) + " bytes"};
  case error::bad_version:
    return {Refused::version, "the request line does not end in HTTP/1.1 or HTTP/1.0"};
  default:
    break;
  }
  const ErrorCode ec = beast::http::make_error_code(static_cast<error>(value));
  return {Refused::malformed, "the request is no HTTP/1.1: " + ec.message()};
}

RequestReader::Fed RequestReader::failed(std::size_t used, Refused why, std::string detail) {
  refusal_ = {why, std::move(detail)};
  return {used, Step::failed};
}

void RequestReader::drop_body() noexcept {
  drop_body_ = true;
  std::string().swap(request_.buffer_);
}

void RequestReader::next() {
  parser_.reset();
  request_.clear();
  refusal_ = {};
  head_bytes_ = body_bytes_ = 0;
  head_complete_ = expects_continue_ = drop_body_ = target_too_long_ = false;
  keep_alive_ = true;
}

std::size_t RequestReader::body_bytes_left() const noexcept {
  if (parser_ == nullptr || parser_->is_done()) {
    return 0;
  }
  const auto left = parser_->content_length_remaining();
  return left ? static_cast<std::size_t>(*left) : std::numeric_limits<std::size_t>::max();
}

std::size_t RequestReader::buffered_bytes() const noexcept {
  return request_.buffer_.empty() ? 0 : request_.buffer_.capacity();
}

} // namespace spate::http
