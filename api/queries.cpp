#include "api/queries.hpp"

#include <algorithm>
#include <utility>

#include "api/cursor.hpp"
#include "api/json_parts.hpp"
#include "api/parameters.hpp"
#include "api/store_problem.hpp"
#include "engine/base/log.hpp"

namespace spate::api {

http::Response store_problem(const Error& error, const ProblemContext& context,
                             std::string_view device) {
  if (error.code == Errc::device_unknown) {
    return problem_response(
        {"device-not-found", "No device '" + std::string(device) + "' is known.", {}, {}}, context);
  }
  if (error.code == Errc::storage_unavailable) {
    return problem_response({"shard-unavailable", error.detail, {}, 5}, context);
  }
  log::error("read-failed", error.detail, {{"trace_id", std::string_view(context.trace_id)}});
  return problem_response({"internal-error", "The store could not be read.", {}, {}}, context);
}

void finish_page(json::Writer& out, http::Response& response, const PageContext& page,
                 const std::optional<std::string>& position) {
  out.key("next_cursor");
  if (!position) {
    out.null();
    return;
  }
  const std::string cursor = make_cursor(page.list, *position);
  out.string(cursor);
  response.headers.emplace_back("Link", next_link(page.link_base, cursor));
}

namespace {

/// There is one value a field, so there are no pages: another question is the way out.
http::Response too_large(const LastQuery& query, std::size_t bytes_max) {
  return problem_response({"validation-failed",
                           "The answer would be larger than " + std::to_string(bytes_max) +
                               " bytes; ask for some of the fields, with fields=.",
                           {},
                           {}},
                          query.page.problem);
}

std::uint64_t ms_of(std::int64_t time_ns) noexcept {
  return static_cast<std::uint64_t>(time_ns / 1'000'000);
}

} // namespace

http::Response read_last(const Services& services, const LastQuery& query) {
  auto records = services.store.last(query.device);
  if (!records) {
    return store_problem(records.error(), query.page.problem, query.device);
  }
  struct Newest {
    std::string_view path;
    const storage::StoredRecord* record;
    model::Value value;
  };
  std::vector<Newest> newest;
  for (const storage::StoredRecord& record : records->records) {
    model::RowReader reader(*record.shape, record.values);
    model::Value value;
    while (reader.next(value)) {
      newest.push_back({record.shape->fields()[reader.field()].path, &record, value});
    }
    if (reader.corrupt()) {
      return store_problem({Errc::storage_corrupt, "a row does not fit its shape"},
                           query.page.problem, query.device);
    }
  }
  std::sort(newest.begin(), newest.end(), [](const Newest& a, const Newest& b) {
    if (a.path != b.path) {
      return a.path < b.path;
    }
    return std::pair(a.record->time_ns, a.record->tie) >
           std::pair(b.record->time_ns, b.record->tie);
  });
  newest.erase(std::unique(newest.begin(), newest.end(),
                           [](const Newest& a, const Newest& b) { return a.path == b.path; }),
               newest.end());
  std::vector<std::string_view> paths;
  for (const Newest& field : newest) {
    paths.push_back(field.path);
  }
  const std::vector<std::string> names = field_names(paths, query.names);
  const std::vector<bool> selected = query.fields.select(paths);

  http::Response response = json_response();
  std::string scratch;
  json::Writer out(response.body);
  out.begin_object().member("device", query.device).key("values").begin_object();
  for (std::size_t i = 0; i < newest.size(); ++i) {
    if (selected[i]) {
      out.key(names[i]).begin_object();
      out.member("ts", ms_of(newest[i].record->time_ns));
      out.member("received_ts", newest[i].record->received_ms);
      out.key("value");
      write_value(out, newest[i].value, false, scratch);
      out.end_object();
      if (out.size() > services.limits.page_bytes_max) {
        return too_large(query, services.limits.page_bytes_max);
      }
    }
  }
  out.end_object().end_object();
  return response;
}

http::Response read_devices(const Services& services, const DevicesQuery& query) {
  auto page = services.store.devices(query.after, query.limit);
  if (!page) {
    return store_problem(page.error(), query.page.problem, {});
  }
  http::Response response = json_response();
  json::Writer out(response.body);
  out.begin_object().key("items").begin_array();
  for (const storage::DeviceInfo& device : page->devices) {
    const auto connectivity =
        services.connectivity ? services.connectivity(device.id) : std::nullopt;
    out.begin_object().member("id", device.id).key("connectivity").begin_object();
    out.member("connected", connectivity.has_value());
    if (connectivity) {
      out.member("since_ts", connectivity->since_ms);
      out.member("protocol", model::name_of(connectivity->protocol));
    }
    out.end_object();
    out.member("first_seen_ts", device.first_seen_ms);
    if (device.last_seen_ms == 0) {
      out.key("last_seen_ts").null(); // It only subscribed to its commands.
    } else {
      out.member("last_seen_ts", device.last_seen_ms);
    }
    out.end_object();
  }
  out.end_array();
  finish_page(out, response, query.page,
              page->more && !page->devices.empty() ? std::optional(page->devices.back().id)
                                                   : std::nullopt);
  out.end_object();
  return response;
}

http::Response read_rejections(const Services& services, const RejectionsQuery& query) {
  auto page = services.store.rejections(query.query);
  if (!page) {
    return store_problem(page.error(), query.page.problem, {});
  }
  http::Response response = json_response();
  json::Writer out(response.body);
  out.begin_object().key("items").begin_array();
  for (const model::Rejection& rejection : page->rejections) {
    out.begin_object().member("ts", rejection.received_ms).key("device");
    if (rejection.device.empty()) {
      out.null();
    } else {
      out.string(rejection.device);
    }
    out.member("reason", model::name_of(rejection.reason));
    out.member("detail", rejection.detail);
    out.member("protocol", model::name_of(rejection.protocol));
    out.member("topic", rejection.topic);
    out.member("sample", rejection.sample);
    out.end_object();
  }
  out.end_array();
  finish_page(out, response, query.page, page->more ? std::optional(page->position) : std::nullopt);
  out.member("dropped", page->dropped);
  out.end_object();
  return response;
}

http::Response read_ledger(const Services& services) {
  model::LedgerCounts counts = services.ledger();
  counts.move_to_duplicate(services.store.stats().fold_duplicates);
  http::Response response = json_response();
  json::Writer out(response.body);
  out.begin_object().member("since_ts", services.started_ms).key("records").begin_object();
  out.member("received", counts.received);
  out.member("stored", counts.stored);
  out.member("duplicate", counts.duplicate);
  out.member("in_flight", counts.in_flight);
  out.key("rejected").begin_object();
  for (std::size_t i = 1; i < counts.rejected.size(); ++i) {
    if (counts.rejected[i] != 0) {
      out.member(model::name_of(static_cast<model::RejectReason>(i)), counts.rejected[i]);
    }
  }
  out.end_object();
  out.member("imbalance", counts.imbalance());
  out.end_object();
  storage::RejectionQuery newest;
  newest.limit = 1;
  if (const auto page = services.store.rejections(newest)) {
    out.member("rejections_dropped", page->dropped);
  }
  out.end_object();
  return response;
}

} // namespace spate::api
