#include "api/operations.hpp"

#include "api/backups.hpp"
#include "api/json_parts.hpp"
#include "api/store_problem.hpp"

namespace spate::api {

namespace {

constexpr std::uint32_t kRepairRetryAfterS = 5;

void write_instant(json::Writer& out, std::string_view name, std::int64_t ms) {
  out.key(name);
  ms == 0 ? out.null() : out.integer(ms);
}

/// Of work that did not succeed, as the problem that it would be if it were waited for.
void write_error(json::Writer& out, const storage::Operation& operation) {
  constexpr std::string_view kCode = "internal-error";
  const ProblemCode* entry = find_problem_code(kCode);
  out.begin_object().member("type", "/api/v1/problems/" + std::string(kCode));
  out.member("title", entry->title).member("status", std::uint64_t{entry->status});
  out.member("detail", operation.error).member("code", kCode).end_object();
}

http::Response start_problem(const Error& error, const ProblemContext& context,
                             std::string_view device) {
  if (error.code == Errc::idempotency_conflict) {
    return problem_response({"idempotency-key-reused",
                             "This key was used for another request; take a new one.",
                             {},
                             {}},
                            context);
  }
  if (error.code == Errc::storage_full) {
    return problem_response({"storage-full", error.detail, {}, kRepairRetryAfterS}, context);
  }
  if (error.code == Errc::storage_io) {
    return problem_response({"shard-unavailable", error.detail, {}, kRepairRetryAfterS}, context);
  }
  return store_problem(error, context, device);
}

} // namespace

std::string operation_location(const Uuid& id) {
  return "/api/v1/operations/" + text_of(id);
}

void write_operation(json::Writer& out, const storage::Operation& operation) {
  out.begin_object().member("id", text_of(operation.id));
  out.member("type", storage::name_of(operation.type));
  out.member("state", storage::name_of(operation.state));
  out.key("progress").begin_object().member("done", operation.done).key("total");
  operation.total ? out.unsigned_integer(*operation.total) : out.null();
  out.member("failed", std::uint64_t{0}).end_object();
  out.member("created_ts", operation.created_ms);
  write_instant(out, "started_ts", operation.started_ms);
  write_instant(out, "finished_ts", operation.finished_ms);
  out.key("result");
  operation.result.empty() ? out.null() : out.raw(operation.result);
  out.key("error");
  if (operation.error.empty()) {
    out.null();
  } else {
    write_error(out, operation);
  }
  out.key("results_url").null(); // There is one result, which is above.
  out.end_object();
}

http::Response operation_response(const storage::Operation& operation, bool found) {
  http::Response response = json_response();
  json::Writer out(response.body);
  write_operation(out, operation);
  if (!found) {
    response.status = 202;
    response.headers.emplace_back("Location", operation_location(operation.id));
  }
  return response;
}

Problem operation_not_found(std::string_view id) {
  return {"operation-not-found",
          "There is no operation '" + std::string(id.substr(0, 64)) +
              "', or it ended more than a week ago.",
          {},
          {}};
}

http::Response read_operations(const Services& services, const OperationsQuery& query) {
  auto page = services.store.operations(query.query);
  if (!page) {
    return read_problem(page.error(), query.page, {});
  }
  if (services.backups != nullptr) {
    services.backups->add_to(query.query, *page);
  }
  http::Response response = json_response();
  json::Writer out(response.body);
  out.begin_object().key("items").begin_array();
  for (const storage::Operation& operation : page->operations) {
    write_operation(out, operation);
  }
  out.end_array();
  finish_page(out, response, query.page,
              page->more && !page->operations.empty()
                  ? std::optional(std::string(page->operations.back().id.view()))
                  : std::nullopt);
  out.end_object();
  return response;
}

http::Response start_erase(const Services& services, const storage::EraseRequest& request,
                           const ProblemContext& context) {
  const auto operation = services.store.erase(request);
  if (!operation) {
    return start_problem(operation.error(), context, request.device);
  }
  http::Response response = operation_response(*operation, false);
  if (operation->id != request.operation) {
    response.headers.emplace_back("Idempotency-Replayed", "true");
  }
  return response;
}

http::Response start_compact(const Services& services, const Uuid& id,
                             const ProblemContext& context) {
  const auto operation = services.store.compact(id);
  return operation ? operation_response(*operation, false)
                   : start_problem(operation.error(), context, {});
}

http::Response start_check(const Services& services, const Uuid& id,
                           const ProblemContext& context) {
  const auto operation = services.store.check(id);
  return operation ? operation_response(*operation, false)
                   : start_problem(operation.error(), context, {});
}

} // namespace spate::api
