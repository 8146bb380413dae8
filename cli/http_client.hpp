// Spate - asks the HTTP API of a node, for the verbs of the command line.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"

namespace spate::cli {

struct HttpRequest {
  std::string method = "GET";
  std::string path;                 ///< From the first slash on, with its query.
  std::vector<std::string> headers; ///< "Name: value".
  std::string body;                 ///< Empty: none is sent.
  long answer_s_max = 30;           ///< From the start of the request to the end of its answer.
};

struct HttpAnswer {
  long status = 0;
  std::string body;
};

/// One connection, kept open. One thread; calls block. The proxies that the environment names are
/// used as curl does, but never for this machine.
class HttpClient {
public:
  static constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 20;

  /// `url` is the base, such as http://127.0.0.1:8080. Error: usage.
  static Result<std::unique_ptr<HttpClient>> open(std::string_view url);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Any status is an answer. Error: connect_failed, with one sentence that says what to do.
  Result<HttpAnswer> call(const HttpRequest& request);

  /// A GET of any length. What comes with status 200 goes to `write` as it comes, and the answer's
  /// body is empty; `write` ends it with false. One that stands still for kStillSMax is given up.
  /// Error: connect_failed, also if it breaks off.
  Result<HttpAnswer> download(const std::string& path,
                              const std::function<bool(std::string_view)>& write);
  static constexpr long kStillSMax = 90; ///< Above what a part of an answer may take.

private:
  Result<void> perform(const std::string& url);
  HttpClient(std::string base, void* curl);

  const std::string base_;
  const bool loopback_;
  void* const curl_;
};

/// Whether its host is localhost or a name under it, of 127.0.0.0/8, or ::1.
[[nodiscard]] bool is_loopback_url(const std::string& url);

} // namespace spate::cli
