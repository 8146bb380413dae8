#include "cli/http_client.hpp"

#include <memory>
#include <utility>

#include <arpa/inet.h>
#include <strings.h>

#include <curl/curl.h>

namespace spate::cli {

namespace {

std::size_t take(char* bytes, std::size_t size, std::size_t count, void* sink) {
  auto& body = *static_cast<std::string*>(sink);
  if (body.size() + size * count > HttpClient::kAnswerBytesMax) {
    return 0; // Ends the transfer as failed.
  }
  body.append(bytes, size * count);
  return size * count;
}

struct Download {
  CURL* curl;
  const std::function<bool(std::string_view)>& write;
  std::string& body; ///< Of any other status than 200.
};

std::size_t take_part(char* bytes, std::size_t size, std::size_t count, void* sink) {
  const auto& download = *static_cast<Download*>(sink);
  long status = 0;
  curl_easy_getinfo(download.curl, CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) {
    return take(bytes, size, count, &download.body);
  }
  return download.write({bytes, size * count}) ? size * count : 0;
}

using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

Headers headers_of(const HttpRequest& request) {
  Headers list(nullptr, &curl_slist_free_all);
  const auto add = [&](const std::string& line) {
    if (curl_slist* longer = curl_slist_append(list.get(), line.c_str())) {
      static_cast<void>(list.release());
      list.reset(longer);
    }
  };
  add("Expect:"); // Bodies are small: they need no 100 Continue.
  for (const std::string& line : request.headers) {
    add(line);
  }
  return list;
}

bool is_loopback_host(std::string host) {
  if (host.starts_with('[') && host.ends_with(']')) {
    in6_addr address{};
    return inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address) == 1 &&
           IN6_IS_ADDR_LOOPBACK(&address);
  }
  in_addr address{};
  if (inet_pton(AF_INET, host.c_str(), &address) == 1) {
    return ntohl(address.s_addr) >> 24 == 127;
  }
  host = "." + host; // RFC 6761: names under localhost are it.
  constexpr std::string_view kName = ".localhost";
  return host.size() >= kName.size() &&
         strcasecmp(host.c_str() + host.size() - kName.size(), kName.data()) == 0;
}

} // namespace

bool is_loopback_url(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parts(curl_url(), &curl_url_cleanup);
  char* host = nullptr;
  if (!parts || curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK ||
      curl_url_get(parts.get(), CURLUPART_HOST, &host, 0) != CURLUE_OK) {
    return false;
  }
  const bool loopback = is_loopback_host(host);
  curl_free(host);
  return loopback;
}

Result<std::unique_ptr<HttpClient>> HttpClient::open(std::string_view url) {
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return fail(Errc::usage, "the URL of the node is '" + std::string(url) +
                                 "'; give one like http://127.0.0.1:8080 with --url or SPATE_URL");
  }
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  CURL* curl = ready == CURLE_OK ? curl_easy_init() : nullptr;
  if (curl == nullptr) {
    return fail(Errc::connect_failed, "libcurl does not start");
  }
  while (url.ends_with('/')) {
    url.remove_suffix(1);
  }
  return std::unique_ptr<HttpClient>(new HttpClient(std::string(url), curl));
}

HttpClient::HttpClient(std::string base, void* curl)
    : base_(std::move(base)), loopback_(is_loopback_url(base_)), curl_(curl) {}

HttpClient::~HttpClient() {
  curl_easy_cleanup(curl_);
}

Result<HttpAnswer> HttpClient::call(const HttpRequest& request) {
  const std::string url = base_ + request.path;
  const Headers headers = headers_of(request);
  HttpAnswer answer;
  curl_easy_reset(curl_); // Keeps the connection.
  curl_easy_setopt(curl_, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers.get());
  if (!request.body.empty()) {
    curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(curl_, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
  }
  curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, &take);
  curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &answer.body);
  curl_easy_setopt(curl_, CURLOPT_TIMEOUT, request.answer_s_max);
  if (auto done = perform(url); !done) {
    return fail(std::move(done.error()));
  }
  curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &answer.status);
  return answer;
}

Result<HttpAnswer> HttpClient::download(const std::string& path,
                                        const std::function<bool(std::string_view)>& write) {
  const std::string url = base_ + path;
  HttpAnswer answer;
  Download download{curl_, write, answer.body};
  curl_easy_reset(curl_);
  curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, &take_part);
  curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &download);
  curl_easy_setopt(curl_, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl_, CURLOPT_LOW_SPEED_TIME, kStillSMax);
  if (auto done = perform(url); !done) {
    return fail(std::move(done.error()));
  }
  curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &answer.status);
  return answer;
}

/// What all requests have in common.
Result<void> HttpClient::perform(const std::string& url) {
  char fault[CURL_ERROR_SIZE] = {};
  curl_easy_setopt(curl_, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl_, CURLOPT_ERRORBUFFER, fault);
  curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl_, CURLOPT_PROTOCOLS_STR, "http,https");
  if (loopback_) {
    curl_easy_setopt(curl_, CURLOPT_NOPROXY, "*");
  }
  curl_easy_setopt(curl_, CURLOPT_CONNECTTIMEOUT, 10L);
  const CURLcode code = curl_easy_perform(curl_);
  curl_easy_setopt(curl_, CURLOPT_ERRORBUFFER, nullptr);
  if (code == CURLE_OK) {
    return {};
  }
  const char* const reason = fault[0] != '\0' ? fault : curl_easy_strerror(code);
  long status = 0;
  curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
  if (status != 0) { // It is there, and did not end what it began.
    return fail(Errc::connect_failed, base_ + " did not end its answer: " + reason + ".");
  }
  return fail(Errc::connect_failed,
              "no answer from " + base_ + ": " + reason +
                  "; is the node running there? Say where it is with --url or SPATE_URL.");
}

} // namespace spate::cli
