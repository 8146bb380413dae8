// Spate - what is read from the store. These calls may wait for the disk: background thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/field_names.hpp"
#include "api/problems.hpp"
#include "api/read_limit.hpp"
#include "api/services.hpp"
#include "engine/http/response.hpp"
#include "engine/json/writer.hpp"

namespace spate::api {

/// What every list needs to know of its request, which is gone when the list is read.
struct PageContext {
  ProblemContext problem;
  std::string list;                 ///< Cursors of this list are bound to it.
  std::string link_base;            ///< See next_link_base().
  std::shared_ptr<ReadLimit> limit; ///< Then the page ends, or 504 if it is empty.
};

/// The member `next_cursor` and the Link field; without a position the page is the last.
void finish_page(json::Writer& out, http::Response& response, const PageContext& page,
                 const std::optional<std::string>& position);

/// As store_problem(); of a read that its limit ended, that is the problem.
[[nodiscard]] http::Response read_problem(const Error& error, const PageContext& page,
                                          std::string_view device);

struct TelemetryQuery {
  PageContext page;
  storage::ScanRequest scan; ///< `accepts` is set from `fields`.
  FieldFilter fields;
  Names names = Names::raw;
  bool numbers_as_text = false;
};
[[nodiscard]] http::Response read_telemetry(const Services& services, TelemetryQuery query);
/// The position in a telemetry cursor: the full key of the last record, and the range, so that a
/// relative `from` means the same on every page.
[[nodiscard]] std::string scan_position(const storage::ScanRequest& scan);
[[nodiscard]] bool read_scan_position(const std::string& position, storage::ScanRequest& scan);

struct LastQuery {
  PageContext page;
  std::string device;
  FieldFilter fields;
  Names names = Names::raw;
};
[[nodiscard]] http::Response read_last(const Services& services, const LastQuery& query);

struct LastsQuery {
  PageContext page;
  storage::LastRequest last; ///< `accepts` is set from `fields`.
  FieldFilter fields;
  Names names = Names::raw;
};
[[nodiscard]] http::Response read_lasts(const Services& services, LastsQuery query);

/// What a step and its functions make of a range.
struct Buckets {
  storage::AggregateRequest request; ///< `selects`, `functions` and `cancelled` are set from these:
  std::vector<storage::Function> functions; ///< In the order in which they were asked for.
  FieldFilter fields;
  Names names = Names::raw;
  bool from_given = false; ///< An end that is not given is that of the data.
  bool to_given = false;
};
struct BucketsQuery {
  PageContext page;
  Buckets buckets;
  bool fill = false; ///< Empty buckets appear, too.
  bool numbers_as_text = false;
};
inline constexpr std::int64_t kBucketsMax = 100'000;
[[nodiscard]] http::Response read_buckets(const Services& services, BucketsQuery query);
/// The position in a cursor of buckets: the range, and the start of the last bucket.
[[nodiscard]] std::string buckets_position(const storage::AggregateRequest& request);
[[nodiscard]] bool read_buckets_position(const std::string& position,
                                         storage::AggregateRequest& request);

struct DevicesQuery {
  PageContext page;
  std::string after;
  std::size_t limit = 100;
};
[[nodiscard]] http::Response read_devices(const Services& services, const DevicesQuery& query);

struct RejectionsQuery {
  PageContext page;
  storage::RejectionQuery query;
};
[[nodiscard]] http::Response read_rejections(const Services& services,
                                             const RejectionsQuery& query);

struct CommandsQuery {
  PageContext page;
  storage::CommandQuery query;
  std::optional<Problem> unknown; ///< If there is no such device: the answer to an empty list.
};
[[nodiscard]] http::Response read_commands(const Services& services, CommandsQuery query);

[[nodiscard]] http::Response read_ledger(const Services& services);

} // namespace spate::api
