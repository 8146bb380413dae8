#include "loadgen/proof/page_source.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

#include <curl/curl.h>

#include "loadgen/base/json_text.hpp"

namespace spate::loadgen {

namespace {

constexpr std::string_view kUnknownDevice = "device-not-found"; // The problem's code.

tl::unexpected<Error> not_a_page(const std::string& what) {
  return fail(Errc::malformed_payload, "the answer is no page of records: " + what);
}

Result<StoredRecord> parse_record(std::string_view text, std::vector<JsonSpan>& scratch) {
  if (auto read = json_members(text, scratch); !read) {
    return fail(std::move(read.error()));
  }
  StoredRecord record;
  bool timed = false;
  bool valued = false;
  for (const JsonSpan& span : scratch) {
    if (span.key == "ts" && span.type == JsonType::number) {
      const char* end = span.text.data() + span.text.size();
      const auto read = std::from_chars(span.text.data(), end, record.ts);
      timed = read.ec == std::errc{} && read.ptr == end;
    } else if (span.key == "values" && span.type == JsonType::object) {
      auto hash = values_hash(span.text);
      if (!hash) {
        return fail(std::move(hash.error()));
      }
      record.hash = *hash;
      valued = true;
    }
  }
  if (!timed || !valued) {
    return not_a_page("a record without \"ts\" or \"values\"");
  }
  return record;
}

struct Sink {
  std::string& body;
};

std::size_t take(char* bytes, std::size_t size, std::size_t count, void* sink) {
  std::string& body = static_cast<Sink*>(sink)->body;
  if (body.size() + size * count > HttpPageSource::kPageBytesMax) {
    return 0; // Ends the transfer as failed.
  }
  body.append(bytes, size * count);
  return size * count;
}

} // namespace

Result<RecordPage> parse_page(std::string_view body) {
  std::vector<JsonSpan> spans;
  if (auto read = json_members(body, spans); !read) {
    return not_a_page(read.error().detail);
  }
  RecordPage page;
  bool listed = false;
  std::vector<JsonSpan> records;
  std::vector<JsonSpan> scratch;
  for (const JsonSpan& span : spans) {
    if (span.key == "next_cursor" && span.type == JsonType::string) {
      if (!json_unescape(span.text.substr(1, span.text.size() - 2), page.next_cursor)) {
        return not_a_page("a cursor with a wrong escape");
      }
    } else if (span.key == "records" && span.type == JsonType::array) {
      listed = true;
      if (auto read = json_members(span.text, records); !read) {
        return not_a_page(read.error().detail);
      }
      page.records.reserve(records.size());
      for (const JsonSpan& item : records) {
        auto record = parse_record(item.text, scratch);
        if (!record) {
          return not_a_page(record.error().detail);
        }
        page.records.push_back(*record);
      }
    }
  }
  return listed ? Result<RecordPage>(std::move(page)) : not_a_page("no \"records\"");
}

Result<std::unique_ptr<HttpPageSource>> HttpPageSource::open(const std::string& api, int patience_s,
                                                             const std::atomic<bool>& stop) {
  if (api.rfind("http://", 0) != 0 && api.rfind("https://", 0) != 0) {
    return fail(Errc::usage, "--api " + api + " is not http://HOST:PORT");
  }
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  CURL* curl = ready == CURLE_OK ? curl_easy_init() : nullptr;
  if (curl == nullptr) {
    return fail(Errc::connect_failed, "libcurl does not start");
  }
  std::string base = api;
  while (base.back() == '/') {
    base.pop_back();
  }
  return std::unique_ptr<HttpPageSource>(
      new HttpPageSource(std::move(base), patience_s, stop, curl));
}

HttpPageSource::HttpPageSource(std::string api, int patience_s, const std::atomic<bool>& stop,
                               void* curl)
    : api_(std::move(api)), patience_s_(patience_s), stop_(stop), curl_(curl) {}

HttpPageSource::~HttpPageSource() {
  curl_easy_cleanup(curl_);
}

std::string HttpPageSource::escaped(std::string_view text) const {
  char* made = curl_easy_escape(curl_, text.data(), static_cast<int>(text.size()));
  std::string copy = made == nullptr ? std::string() : made;
  curl_free(made);
  return copy;
}

Result<long> HttpPageSource::get(const std::string& url) {
  body_.clear();
  char fault[CURL_ERROR_SIZE] = {};
  Sink sink{body_};
  curl_easy_setopt(curl_, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, &take);
  curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &sink);
  curl_easy_setopt(curl_, CURLOPT_ERRORBUFFER, fault);
  curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl_, CURLOPT_CONNECTTIMEOUT, 10L);
  curl_easy_setopt(curl_, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl_, CURLOPT_LOW_SPEED_TIME, 60L);
  const CURLcode code = curl_easy_perform(curl_);
  curl_easy_setopt(curl_, CURLOPT_ERRORBUFFER, nullptr);
  if (code != CURLE_OK) {
    return fail(Errc::connect_failed,
                url + ": " + (fault[0] != '\0' ? fault : curl_easy_strerror(code)));
  }
  long status = 0;
  curl_off_t retry_s = 0;
  curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(curl_, CURLINFO_RETRY_AFTER, &retry_s);
  retry_after_s_ = static_cast<long>(retry_s);
  return status;
}

Result<RecordPage> HttpPageSource::fetch(std::string_view device, std::int64_t from_ms,
                                         std::int64_t to_ms, const std::string& cursor) {
  std::string url = api_ + "/api/v1/devices/" + escaped(device) +
                    "/telemetry?from=" + std::to_string(from_ms) + "&to=" + std::to_string(to_ms) +
                    "&limit=" + std::to_string(kPageRecords);
  if (!cursor.empty()) {
    url += "&cursor=" + escaped(cursor);
  }
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::seconds(patience_s_);
  for (;;) {
    auto status = get(url);
    if (status && *status == 200) {
      return parse_page(body_);
    }
    // Another 404 comes from who is not this API, and would make every record a missing one.
    if (status && *status == 404 && body_.find(kUnknownDevice) != std::string::npos) {
      return RecordPage{};
    }
    const bool again = !status || *status == 429 || *status == 503;
    const auto pause = std::chrono::seconds(status ? std::clamp(retry_after_s_, 1L, 60L) : 1L);
    if (!again || stop_ || Clock::now() + pause > until) {
      return status ? fail(Errc::connect_failed, url + " answered " + std::to_string(*status) +
                                                     ": " + body_.substr(0, 300))
                    : fail(std::move(status.error()));
    }
    std::this_thread::sleep_for(pause);
  }
}

} // namespace spate::loadgen
