// Spate - what is read from the store. These calls may wait for the disk: background thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "api/field_names.hpp"
#include "api/problems.hpp"
#include "api/services.hpp"
#include "engine/http/response.hpp"
#include "engine/json/writer.hpp"

namespace spate::api {

/// What every list needs to know of its request, which is gone when the list is read.
struct PageContext {
  ProblemContext problem;
  std::string list;                               ///< Cursors of this list are bound to it.
  std::string link_base;                          ///< See next_link_base().
  std::chrono::steady_clock::time_point deadline; ///< Then the page ends, or 504 if it is empty.
};

/// The member `next_cursor` and the Link field; without a position the page is the last.
void finish_page(json::Writer& out, http::Response& response, const PageContext& page,
                 const std::optional<std::string>& position);

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
