#include "api/server.hpp"

#include <random>
#include <utility>

#include "api/health.hpp"
#include "api/metrics.hpp"
#include "api/operations.hpp"
#include "engine/base/clock.hpp"
#include "engine/model/device_id.hpp"

namespace spate::api {

namespace {

using http::Method;
using http::Response;

constexpr std::uint32_t kRetryAfterS = 2;

Response problem_for(const http::Request& request, const Problem& problem) {
  return problem_response(problem, problem_context(request));
}

Response method_not_allowed(const http::Request& request, Resource resource) {
  const std::string allowed(allowed_methods(resource));
  Response response = problem_for(
      request,
      {"method-not-allowed", std::string(request.path()) + " takes " + allowed + ".", {}, {}});
  response.headers.emplace_back("Allow", allowed);
  return response;
}

std::string_view code_of(http::Refused why) noexcept {
  switch (why) {
  case http::Refused::malformed:
    return "malformed-request";
  case http::Refused::timed_out:
    return "request-timeout";
  case http::Refused::body_too_large:
    return "payload-too-large";
  case http::Refused::target_too_long:
    return "uri-too-long";
  case http::Refused::expectation_failed:
    return "expectation-failed";
  case http::Refused::head_too_large:
    return "headers-too-large";
  case http::Refused::not_implemented:
    return "not-implemented";
  case http::Refused::overloaded:
    return "overloaded";
  case http::Refused::draining:
    return "draining";
  case http::Refused::version:
    return "http-version-not-supported";
  }
  return "internal-error";
}

} // namespace

Server::Server(net::Loop& loop, Services services)
    : loop_(loop), services_(std::move(services)), http_(loop, *this, services_.limits.http),
      ingest_(loop, services_), commands_(services_), operation_ids_(std::random_device{}()),
      background_(services_.limits.reads_waiting_max) {
  loop_.set_hooks(*this);
}

Server::~Server() = default;

bool Server::before_poll() {
  // Commands before telemetry, which may be a flood.
  const bool commands_left = services_.commands != nullptr && services_.commands->before_poll();
  ingest_.hand_over(); // Bodies that were shown again before the hooks ran.
  return ingest_.deliver() || commands_left;
}

void Server::after_poll() {
  if (services_.commands != nullptr) {
    services_.commands->after_poll();
  }
  ingest_.hand_over();
  static_cast<void>(ingest_.deliver()); // before_poll() asks again and keeps the loop awake.
  buffers_full_.store(http_.exchanges().over_limit(), std::memory_order_relaxed);
}

void Server::between_reads() {
  if (services_.commands != nullptr) {
    services_.commands->between_reads();
  }
}

void Server::drain() {
  read_stop_.set(std::chrono::steady_clock::now() + kDrainReads);
  http_.drain(); // First: then the answers that follow say that the connection closes.
  if (services_.commands != nullptr) {
    services_.commands->drain();
  }
}

bool Server::drained() const noexcept {
  return http_.drained() && ingest_.drained() &&
         (services_.commands == nullptr || services_.commands->drained());
}

/// What can be refused without the body.
std::optional<Response> Server::on_head(const http::Request& request) {
  // An open loopback is reachable by any page in the user's browser through a name that resolves to
  // it; only its Host field tells.
  if (services_.loopback && !request.host().empty() && !is_loopback_host(request.host())) {
    return problem_for(request,
                       {"misdirected-request",
                        "This node listens on loopback and answers only to loopback host names "
                        "like 127.0.0.1 or localhost.",
                        {},
                        {}});
  }
  const Routed routed = route(request);
  if (routed.resource == Resource::none) {
    return problem_for(request,
                       {"not-found",
                        "There is nothing at " + std::string(request.path()).substr(0, 256) +
                            "; /api/v1/openapi.json lists what there is.",
                        {},
                        {}});
  }
  if (!takes(routed.resource, request.method)) {
    return method_not_allowed(request, routed.resource);
  }
  if (request.method == Method::options) {
    Response response;
    response.status = 204;
    response.headers.emplace_back("Allow", allowed_methods(routed.resource));
    return response;
  }
  const bool of_commands =
      routed.resource == Resource::commands || routed.resource == Resource::command;
  if (of_commands || routed.resource == Resource::telemetry || routed.resource == Resource::last ||
      routed.resource == Resource::telemetry_export) {
    if (const char* fault = model::device_id_fault(routed.name)) {
      return problem_for(
          request, {"invalid-device-id", std::string("The device id ") + fault + ".", {}, {}});
    }
  }
  std::optional<Problem> problem;
  if (of_commands) {
    problem = commands_.refuse(request);
  } else if (request.method == Method::post) {
    problem = refuse_post(request, routed);
  } else if (request.method == Method::del) {
    problem = refuse_phase();
  }
  return problem ? std::optional(problem_for(request, *problem)) : std::nullopt;
}

std::optional<Problem> Server::refuse_post(const http::Request& request,
                                           const Routed& routed) const {
  // Asked for even where no body is needed: a page of another origin can not send it unasked.
  const std::string_view type = media_type(request.header("content-type").value_or(""));
  const bool lines = routed.resource == Resource::telemetry;
  if (!http::same_token(type, "application/json") &&
      !(lines && http::same_token(type, "application/x-ndjson"))) {
    return Problem{"unsupported-media-type",
                   (type.empty() ? std::string("A body without Content-Type")
                                 : std::string(type).substr(0, 100)) +
                       " is not taken; send application/json (curl --json does)" +
                       (lines ? " or application/x-ndjson." : "."),
                   {},
                   {}};
  }
  const std::string_view coding = request.header("content-encoding").value_or("identity");
  if (!http::same_token(coding, "identity")) {
    return Problem{"unsupported-media-type",
                   "Content-Encoding " + std::string(coding).substr(0, 100) +
                       " is not taken yet; send the body as it is.",
                   {},
                   {}};
  }
  if (auto problem = refuse_phase()) {
    return problem;
  }
  if (lines && ingest_.over_limit(routed.name)) {
    return Problem{"overloaded", "The commit queue is full.", {}, kRetryAfterS};
  }
  return std::nullopt;
}

std::optional<Problem> Server::refuse_phase() const {
  const Phase phase = services_.phase();
  if (phase != Phase::running) {
    return Problem{phase == Phase::starting ? "not-ready" : "draining", {}, {}, kRetryAfterS};
  }
  return std::nullopt;
}

void Server::on_request(const http::Request& request, http::Responder responder) {
  const Routed routed = route(request);
  if (routed.resource == Resource::command) {
    request.method == Method::del
        ? commands_.cancel(request, routed.name, routed.command, responder)
        : commands_.get(request, routed.name, routed.command, responder);
  } else if (request.method == Method::del) {
    erase_telemetry(request, routed.name, responder);
  } else if (routed.resource == Resource::backups && request.method == Method::post) {
    post_backup(request, responder);
  } else if (routed.resource == Resource::store_compact) {
    work_on_store(request, responder, start_compact);
  } else if (routed.resource == Resource::store_check) {
    work_on_store(request, responder, start_check);
  } else if (request.method == Method::post) {
    routed.resource == Resource::commands ? commands_.send(request, routed.name, responder)
                                          : post_telemetry(request, routed.name, responder);
  } else {
    get(request, routed, responder);
  }
}

Response Server::on_refusal(const http::Refusal& refusal, const http::Request& request) {
  const std::string_view code = code_of(refusal.why);
  const ProblemContext context = problem_context(request);
  if (refusals_logged_.allow(steady_ns())) {
    log::info("http-refused", refusal.detail,
              {{"code", code},
               {"trace_id", std::string_view(context.trace_id)},
               {"not_logged", refusals_logged_.take_suppressed()}});
  }
  const bool retry =
      refusal.why == http::Refused::overloaded || refusal.why == http::Refused::draining;
  std::string detail = refusal.detail + ".";
  if (detail.front() >= 'a' && detail.front() <= 'z') {
    detail.front() = static_cast<char>(detail.front() - 'a' + 'A');
  }
  return problem_response(
      {code, std::move(detail), {}, retry ? std::optional(kRetryAfterS) : std::nullopt}, context);
}

void Server::in_background(const ProblemContext& context, http::Responder responder,
                           std::function<Response()> read, Background::Queue queue) {
  const auto overloaded = [context] {
    return problem_response(
        {"overloaded", "Too many reads wait for their answer.", {}, kRetryAfterS}, context);
  };
  auto job = [this, responder, overloaded, queue, read = std::move(read)] {
    const bool refused =
        queue == Background::Queue::normal && buffers_full_.load(std::memory_order_relaxed);
    // std::function wants copies; the answer is large, so it travels behind a pointer.
    auto answer = std::make_shared<Response>(refused ? overloaded() : read());
    loop_.post([responder, answer] { responder.respond(std::move(*answer)); });
  };
  if (!background_.submit(std::move(job), queue)) {
    responder.respond(overloaded());
  }
}

} // namespace spate::api
