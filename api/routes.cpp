// The operations of api::Server: parameters in, the right reader called.
#include <algorithm>
#include <chrono>
#include <utility>

#include "api/health.hpp"
#include "api/metrics.hpp"
#include "api/operations.hpp"
#include "api/parameters.hpp"
#include "api/queries.hpp"
#include "api/request_parts.hpp"
#include "api/server.hpp"
#include "engine/base/clock.hpp"
#include "engine/model/device_id.hpp"

namespace spate::api {

namespace {

using http::Response;

constexpr std::size_t kTelemetryLimit = 1000;
constexpr std::size_t kListLimit = 100;

/// `state=QUEUED,SENT`, which may also be repeated.
std::vector<model::CommandState> states_of(Parameters& parameters) {
  std::vector<model::CommandState> states;
  for (const std::string& word : parameters.words("state")) {
    if (const auto state = model::command_state(word)) {
      states.push_back(*state);
      continue;
    }
    parameters.refuse("state",
                      "'" + word.substr(0, 64) +
                          "' is no state of a command; there are QUEUED, SENT, DELIVERED, "
                          "SUCCEEDED, FAILED, REJECTED, TIMED_OUT, EXPIRED and CANCELED.",
                      "unknown");
    break;
  }
  return states;
}

std::int64_t ms_up(std::int64_t time_ns) {
  return time_ns / 1'000'000 + (time_ns % 1'000'000 != 0 ? 1 : 0);
}

} // namespace

PageContext Server::page_context(const http::Request& request,
                                 const http::Responder& responder) const {
  return {problem_context(request), list_key(request), next_link_base(request),
          std::make_shared<ReadLimit>(std::chrono::steady_clock::now() +
                                          services_.limits.query_time_max,
                                      responder.peer(), read_stop_)};
}

void Server::post_telemetry(const http::Request& request, std::string_view device,
                            http::Responder responder) {
  Parameters parameters(request, wall_ms());
  parameters.allow({"names"});
  const Names names = names_of(parameters);
  if (parameters.failed()) {
    responder.respond(problem_response(parameters.problem(), problem_context(request)));
    return;
  }
  const bool ndjson = http::same_token(media_type(request.header("content-type").value_or("")),
                                       "application/x-ndjson");
  ingest_.accept(request, device, names, ndjson, responder);
}

void Server::get(const http::Request& request, const Routed& routed, http::Responder responder) {
  switch (routed.resource) {
  case Resource::telemetry:
    return get_telemetry(request, routed.name, responder);
  case Resource::telemetry_export:
    return get_export(request, routed.name, responder);
  case Resource::lasts:
    return get_lasts(request, responder);
  case Resource::backups:
    return get_backups(request, responder);
  case Resource::backup:
    return get_backup(request, routed.name, responder);
  case Resource::operations:
    return get_operations(request, responder);
  case Resource::operation:
    return get_operation(request, routed.name, responder);
  case Resource::last:
    return get_last(request, routed.name, responder);
  case Resource::devices:
    return get_devices(request, responder);
  case Resource::rejections:
    return get_rejections(request, responder);
  case Resource::commands:
    return get_commands(request, routed.name, responder);
  default:
    break;
  }
  Parameters parameters(request, wall_ms());
  const bool readyz_asked = routed.resource == Resource::readyz;
  readyz_asked ? parameters.allow({"verbose"}) : parameters.allow({});
  const bool verbose = readyz_asked && parameters.flag("verbose");
  const ProblemContext context = problem_context(request);
  if (parameters.failed() && routed.resource != Resource::livez) {
    responder.respond(problem_response(parameters.problem(), context));
    return;
  }
  switch (routed.resource) {
  case Resource::livez:
    return responder.respond(livez(services_));
  case Resource::readyz:
    return responder.respond(readyz(services_, verbose));
  case Resource::version:
    return responder.respond(version(services_));
  case Resource::openapi:
    return responder.respond(openapi());
  case Resource::problems:
    return responder.respond(problems());
  case Resource::problem:
    return responder.respond(problem(routed.name, context));
  case Resource::store:
    return in_background(
        context, responder, [this] { return read_store(services_); }, Background::Queue::urgent);
  case Resource::ledger:
    return in_background(context, responder, [this] { return read_ledger(services_); });
  default:
    // Urgent: an overloaded node is the one whose metrics are wanted.
    return in_background(
        context, responder, [this, counts = counts()] { return read_metrics(services_, counts); },
        Background::Queue::urgent);
  }
}

void Server::get_telemetry(const http::Request& request, std::string_view device,
                           http::Responder responder) {
  const auto& given = request.query();
  const bool buckets = std::any_of(given.begin(), given.end(),
                                   [](const auto& parameter) { return parameter.first == "agg"; });
  buckets ? get_buckets(request, device, responder) : get_records(request, device, responder);
}

void Server::get_records(const http::Request& request, std::string_view device,
                         http::Responder responder) {
  Parameters parameters(request, wall_ms());
  parameters.allow({"from", "to", "fields", "order", "limit", "cursor", "names", "numbers", "step",
                    "offset", "fill"});
  for (const std::string_view name : {"step", "offset", "fill"}) {
    if (parameters.text(name)) {
      parameters.refuse(name, std::string(name) + " is of buckets; say with agg= what they hold.",
                        "only with agg");
    }
  }
  TelemetryQuery query;
  query.page = page_context(request, responder);
  query.scan.device = device;
  query.scan.from_ns = parameters.instant_ns("from").value_or(0);
  query.scan.to_ns = parameters.instant_ns("to").value_or(INT64_MAX);
  query.scan.descending = parameters.choice("order", {"asc", "desc"}) == 1;
  query.scan.limit = parameters.limit(kTelemetryLimit);
  query.fields = parameters.fields();
  query.names = names_of(parameters);
  query.numbers_as_text = parameters.choice("numbers", {"json", "text"}) == 1;
  const auto take_cursor = [&](std::string& position) {
    return read_scan_position(position, query.scan);
  };
  const auto problem = page_problem(parameters, query.page.list, take_cursor);
  answer_query(problem, std::move(query), responder, &read_telemetry);
}

void Server::get_last(const http::Request& request, std::string_view device,
                      http::Responder responder) {
  Parameters parameters(request, wall_ms());
  parameters.allow({"fields", "names"});
  LastQuery query{page_context(request, responder), std::string(device), parameters.fields(),
                  names_of(parameters)};
  const auto problem = parameters.failed() ? std::optional(parameters.problem()) : std::nullopt;
  answer_query(problem, std::move(query), responder, &read_last);
}

void Server::get_devices(const http::Request& request, http::Responder responder) {
  Parameters parameters(request, wall_ms());
  parameters.allow({"limit", "cursor"}, {"filter", "sort", "fields", "count"});
  DevicesQuery query{page_context(request, responder), {}, parameters.limit(kListLimit)};
  const auto take_cursor = [&](std::string& position) {
    query.after = std::move(position);
    return true;
  };
  const auto problem = page_problem(parameters, query.page.list, take_cursor);
  answer_query(problem, std::move(query), responder, &read_devices);
}

void Server::get_rejections(const http::Request& request, http::Responder responder) {
  Parameters parameters(request, wall_ms());
  parameters.allow({"device", "reason", "from", "to", "limit", "cursor"});
  RejectionsQuery query;
  query.page = page_context(request, responder);
  query.query.device = parameters.text("device");
  if (const auto reason = parameters.text("reason")) {
    query.query.reason = model::reject_reason(*reason);
    if (!query.query.reason) {
      parameters.refuse("reason", "'" + reason->substr(0, 64) + "' is no reason for a rejection.",
                        "unknown");
    }
  }
  if (const auto from = parameters.instant_ns("from")) {
    query.query.from_ms = ms_up(*from);
  }
  if (const auto to = parameters.instant_ns("to")) {
    query.query.to_ms = ms_up(*to);
  }
  query.query.limit = parameters.limit(kListLimit);
  const auto take_cursor = [&](std::string& position) {
    query.query.after = std::move(position);
    return true;
  };
  const auto problem = page_problem(parameters, query.page.list, take_cursor);
  answer_query(problem, std::move(query), responder, &read_rejections);
}

void Server::get_commands(const http::Request& request, std::string_view device,
                          http::Responder responder) {
  Parameters parameters(request, wall_ms());
  parameters.allow({"state", "limit", "cursor"});
  CommandsQuery query;
  query.page = page_context(request, responder);
  query.query.device = device;
  query.query.states = states_of(parameters);
  query.query.limit = parameters.limit(kListLimit);
  const auto take_cursor = [&](std::string& position) {
    query.query.before = uuid_from_bytes(position);
    return query.query.before.has_value();
  };
  query.unknown = commands_.unknown(device);
  const auto problem = page_problem(parameters, query.page.list, take_cursor);
  answer_query(problem, std::move(query), responder, &read_commands);
}

} // namespace spate::api
