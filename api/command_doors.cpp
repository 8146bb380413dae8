#include "api/command_doors.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "api/command_answers.hpp"
#include "api/command_body.hpp"
#include "api/parameters.hpp"
#include "api/request_parts.hpp"
#include "api/router.hpp"
#include "engine/base/clock.hpp"
#include "engine/base/hash.hpp"

namespace spate::api {

namespace {

constexpr std::int64_t kTtlMs = 60'000;           ///< Of a command that fails when offline.
constexpr std::int64_t kQueuedTtlMs = 86'400'000; ///< Of one that waits for its device.
constexpr std::uint32_t kRetryAfterS = 2;
constexpr std::uint32_t kRepairRetryAfterS = 5;

/// What must be the same when a key is used again. Not the wait: a retry may be more patient.
std::uint64_t hash_of_request(std::string_view device, std::string_view body) {
  return hash_bytes(body, hash_bytes(device, hash_bytes("POST /api/v1/devices/*/commands")));
}

/// Refuses all parameters; true if there were some.
bool refuse_parameters(const http::Request& request, const http::Responder& responder) {
  Parameters parameters(request, wall_ms());
  parameters.allow({});
  if (parameters.failed()) {
    responder.respond(problem_response(parameters.problem(), problem_context(request)));
  }
  return parameters.failed();
}

} // namespace

std::optional<Problem> CommandDoors::refuse(const http::Request& request) const {
  if (request.method == http::Method::post) {
    const std::string_view type = media_type(request.header("content-type").value_or(""));
    if (!http::same_token(type, "application/json")) {
      return Problem{"unsupported-media-type",
                     (type.empty() ? std::string("A body without Content-Type")
                                   : std::string(type).substr(0, 100)) +
                         " is not taken; send application/json (curl --json does).",
                     {},
                     {}};
    }
    if (!http::same_token(request.header("content-encoding").value_or("identity"), "identity")) {
      return Problem{"unsupported-media-type",
                     "A command is sent as it is, without Content-Encoding.",
                     {},
                     {}};
    }
    const std::string_view length = request.header("content-length").value_or("");
    std::size_t bytes = 0;
    const auto read = std::from_chars(length.data(), length.data() + length.size(), bytes);
    if (!length.empty() && (read.ec != std::errc{} || bytes > kCommandBodyBytesMax)) {
      return body_too_large(length);
    }
  }
  const Phase phase = services_.phase();
  const bool changes = request.method == http::Method::post || request.method == http::Method::del;
  if (services_.commands == nullptr || (changes && phase == Phase::starting)) {
    return Problem{"not-ready", {}, {}, kRetryAfterS};
  }
  if (changes && phase == Phase::draining) {
    return Problem{"draining", {}, {}, kRetryAfterS};
  }
  return std::nullopt;
}

std::optional<Problem> CommandDoors::unknown(std::string_view device) const {
  if (services_.commands->is_ready(device)) {
    return std::nullopt;
  }
  const auto known = services_.store.knows(std::string(device));
  if (!known) {
    return Problem{"shard-unavailable", known.error().detail, {}, kRepairRetryAfterS};
  }
  if (*known) {
    return std::nullopt;
  }
  return Problem{"device-not-found",
                 "No device '" + std::string(device) +
                     "' is known: it has neither sent anything nor subscribed "
                     "to its commands.",
                 {},
                 {}};
}

Problem CommandDoors::not_found(std::string_view device) const {
  if (auto problem = unknown(device)) {
    return std::move(*problem);
  }
  return {"command-not-found", "'" + std::string(device) + "' has no such command.", {}, {}};
}

void CommandDoors::send(const http::Request& request, std::string_view device,
                        http::Responder responder) {
  if (refuse_parameters(request, responder)) {
    return;
  }
  ProblemContext context = problem_context(request);
  Prefer prefer;
  CommandBody body;
  actors::CommandRequest command;
  std::optional<Problem> problem;
  if (request.body().size() > kCommandBodyBytesMax) { // It came in chunks.
    problem = body_too_large(std::to_string(request.body().size()));
  }
  if (!problem) {
    problem = read_prefer(request, prefer);
  }
  if (!problem) {
    problem = read_key(request, command.idempotency_key);
  }
  if (!problem) {
    problem = read_command_body(reader_, request.body(), body);
  }
  if (!problem) {
    problem = unknown(device);
  }
  if (problem) {
    responder.respond(problem_response(*problem, context));
    return;
  }
  command.device = device;
  command.name = std::move(body.name);
  command.args = body.args;
  command.priority = body.priority;
  command.if_offline = body.if_offline;
  command.complete_on = body.complete_on;
  command.wait_ms = prefer.wait_ms();
  command.request_hash = hash_of_request(device, request.body());
  if (body.ttl_ms) {
    command.ttl_ms = *body.ttl_ms;
  } else if (command.wait_ms > 0) {
    command.ttl_ms = command.wait_ms;
  } else {
    command.ttl_ms = body.if_offline == model::IfOffline::queue ? kQueuedTtlMs : kTtlMs;
  }
  services_.commands->create(std::move(command), [responder, prefer, context = std::move(context)](
                                                     actors::CommandReply reply) {
    responder.respond(answer_to_send(reply, prefer, context, wall_ms()));
  });
}

void CommandDoors::get(const http::Request& request, std::string_view device, std::string_view id,
                       http::Responder responder) {
  if (refuse_parameters(request, responder)) {
    return;
  }
  ProblemContext context = problem_context(request);
  Prefer prefer;
  if (const auto problem = read_prefer(request, prefer)) {
    responder.respond(problem_response(*problem, context));
    return;
  }
  const auto uuid = parse_uuid(id);
  if (!uuid) {
    responder.respond(problem_response(not_found(device), context));
    return;
  }
  services_.commands->find(device, *uuid, prefer.wait_ms(),
                           [this, responder, prefer, context = std::move(context),
                            device = std::string(device)](actors::CommandReply reply) {
                             if (reply.result == actors::CommandResult::not_found) {
                               responder.respond(problem_response(not_found(device), context));
                             } else {
                               responder.respond(answer_to_get(reply, prefer, context, wall_ms()));
                             }
                           });
}

void CommandDoors::cancel(const http::Request& request, std::string_view device,
                          std::string_view id, http::Responder responder) {
  if (refuse_parameters(request, responder)) {
    return;
  }
  ProblemContext context = problem_context(request);
  const auto uuid = parse_uuid(id);
  if (!uuid) {
    responder.respond(problem_response(not_found(device), context));
    return;
  }
  services_.commands->cancel(device, *uuid,
                             [this, responder, context = std::move(context),
                              device = std::string(device)](actors::CommandReply reply) {
                               if (reply.result == actors::CommandResult::not_found) {
                                 responder.respond(problem_response(not_found(device), context));
                               } else {
                                 responder.respond(answer_to_cancel(reply, context, wall_ms()));
                               }
                             });
}

} // namespace spate::api
