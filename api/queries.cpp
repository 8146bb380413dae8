#include "api/queries.hpp"

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

http::Response read_problem(const Error& error, const PageContext& page, std::string_view device) {
  if (error.code == Errc::storage_unavailable && page.limit->over()) {
    return problem_response(page.limit->problem(), page.problem);
  }
  return store_problem(error, page.problem, device);
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
