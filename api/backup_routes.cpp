// The operations of api::Server on backups.
#include <utility>

#include "api/backups.hpp"
#include "api/operations.hpp"
#include "api/parameters.hpp"
#include "api/request_parts.hpp"
#include "api/server.hpp"
#include "engine/base/clock.hpp"

namespace spate::api {

namespace {

constexpr std::size_t kListLimit = 1000;

} // namespace

void Server::post_backup(const http::Request& request, http::Responder responder) {
  Parameters parameters(request, wall_ms());
  parameters.allow({});
  const ProblemContext context = problem_context(request);
  BackupOrder order;
  std::optional<Problem> problem = read_key(request, order.idempotency_key);
  if (parameters.failed()) {
    problem = parameters.problem();
  } else if (services_.backups == nullptr || !services_.backups->allowed()) {
    problem = no_backups();
  } else if (!problem) {
    problem = services_.backups->read_order(request.body(), order);
  }
  Backups::Started started;
  if (!problem) {
    started = services_.backups->start(order, operation_ids_.next(wall_ms()));
    problem = std::move(started.problem);
  }
  if (problem) {
    responder.respond(problem_response(*problem, context));
    return;
  }
  http::Response response = operation_response(*started.operation, false);
  if (started.replayed) {
    response.headers.emplace_back("Idempotency-Replayed", "true");
  }
  responder.respond(std::move(response));
}

void Server::get_backups(const http::Request& request, http::Responder responder) {
  Parameters parameters(request, wall_ms());
  parameters.allow({"limit", "cursor"});
  PageContext page = page_context(request, responder);
  const std::size_t limit = parameters.limit(kListLimit);
  std::optional<Uuid> before;
  const auto take_cursor = [&](std::string& position) {
    before = uuid_from_bytes(position);
    return before.has_value();
  };
  std::optional<Problem> problem = page_problem(parameters, page.list, take_cursor);
  if (!problem && (services_.backups == nullptr || !services_.backups->allowed())) {
    problem = no_backups();
  }
  if (problem) {
    responder.respond(problem_response(*problem, page.problem));
    return;
  }
  const ProblemContext context = page.problem;
  in_background(context, responder, [this, page = std::move(page), limit, before] {
    return read_backups(services_, page, limit, before);
  });
}

void Server::get_backup(const http::Request& request, std::string_view id,
                        http::Responder responder) {
  Parameters parameters(request, wall_ms());
  parameters.allow({});
  const ProblemContext context = problem_context(request);
  if (parameters.failed() || services_.backups == nullptr || !services_.backups->allowed()) {
    responder.respond(
        problem_response(parameters.failed() ? parameters.problem() : no_backups(), context));
    return;
  }
  in_background(context, responder, [this, id = std::string(id), context] {
    return read_backup(services_, id, context);
  });
}

} // namespace spate::api
