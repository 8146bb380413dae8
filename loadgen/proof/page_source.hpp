// Spate - reading a device's records back over the API, page by page.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"

namespace spate::loadgen {

struct StoredRecord {
  std::int64_t ts = 0;
  std::uint64_t hash = 0; ///< values_hash() of its "values".
};

struct RecordPage {
  std::vector<StoredRecord> records; ///< In order of time.
  std::string next_cursor;           ///< Empty: the last page.
};

/// Where verify gets its pages from. Tests put a pretended API here.
class PageSource {
public:
  virtual ~PageSource() = default;
  /// Records of `device` with from_ms <= ts < to_ms. A device that is unknown has none.
  virtual Result<RecordPage> fetch(std::string_view device, std::int64_t from_ms,
                                   std::int64_t to_ms, const std::string& cursor) = 0;
};

/// Reads {"device":…,"records":[{"ts":…,"values":{…},…}],"next_cursor":…}. Error:
/// malformed_payload.
Result<RecordPage> parse_page(std::string_view body);

/// GET /api/v1/devices/{id}/telemetry over HTTP/1.1, one connection that is kept open.
/// 429 and 503 are tried again after Retry-After, and a lost connection after a second, for up to
/// `patience_s`.
class HttpPageSource final : public PageSource {
public:
  static constexpr int kPageRecords = 10'000;
  static constexpr std::size_t kPageBytesMax = std::size_t{256} << 20;

  /// `api` is the base URL, such as http://127.0.0.1:8080; `stop` ends waiting. Error: usage.
  static Result<std::unique_ptr<HttpPageSource>> open(const std::string& api, int patience_s,
                                                      const std::atomic<bool>& stop);
  ~HttpPageSource() override;

  Result<RecordPage> fetch(std::string_view device, std::int64_t from_ms, std::int64_t to_ms,
                           const std::string& cursor) override;

private:
  HttpPageSource(std::string api, int patience_s, const std::atomic<bool>& stop, void* curl);
  Result<long> get(const std::string& url);
  [[nodiscard]] std::string escaped(std::string_view text) const;

  const std::string api_;
  const int patience_s_;
  const std::atomic<bool>& stop_;
  void* const curl_;
  std::string body_;
  long retry_after_s_ = 0;
};

} // namespace spate::loadgen
