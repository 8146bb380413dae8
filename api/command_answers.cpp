#include "api/command_answers.hpp"

#include <algorithm>
#include <string>

#include "api/command_body.hpp"
#include "api/command_json.hpp"
#include "api/json_parts.hpp"

namespace spate::api {

namespace {

using actors::CommandReply;
using actors::CommandResult;
using http::Response;
using model::CommandState;

constexpr std::uint32_t kBusyRetryAfterS = 1;
constexpr std::uint32_t kRetryAfterS = 2;
constexpr std::uint32_t kRepairRetryAfterS = 5;

std::string detail_or(const CommandReply& reply, std::string_view fallback) {
  return reply.detail.empty() ? std::string(fallback) : reply.detail;
}

/// The record is there with `ok`, `wait_over`, `draining` and `already_sent`; without it the reply
/// is broken.
bool has_command(const CommandReply& reply) noexcept {
  return reply.record.has_value();
}

std::string already_sent_detail(const model::CommandRecord& record, std::int64_t now_ms) {
  if (model::is_final(record.progress.state) || record.progress.sent_ms == 0) {
    return "It is " + std::string(model::name_of(record.progress.state)) + " already.";
  }
  return "It was sent " +
         std::to_string(std::max<std::int64_t>(0, now_ms - record.progress.sent_ms)) +
         " ms ago and may have run.";
}

Problem problem_of(const CommandReply& reply, std::int64_t now_ms) {
  switch (reply.result) {
  case CommandResult::device_offline:
    return {"device-offline",
            detail_or(reply, "The device is not connected, or has not subscribed to this command. "
                             "Send if_offline=queue to deliver it later."),
            {},
            {}};
  case CommandResult::queue_full:
    return {"command-queue-full",
            detail_or(reply, "As many commands as may be open are open; wait for some, or cancel "
                             "them."),
            {},
            kRepairRetryAfterS};
  case CommandResult::not_found:
    return {"command-not-found", reply.detail, {}, {}};
  case CommandResult::already_sent: {
    Problem problem{"command-already-sent", reply.detail, {}, {}};
    if (has_command(reply)) {
      problem.detail = detail_or(reply, already_sent_detail(*reply.record, now_ms));
      problem.command = command_json(*reply.record);
    }
    return problem;
  }
  case CommandResult::key_in_progress:
    return {"idempotency-in-progress",
            detail_or(reply, "The first request with this key is still running; ask again."),
            {},
            kBusyRetryAfterS};
  case CommandResult::key_reused:
    return {"idempotency-key-reused",
            detail_or(reply, "This key was used for another request; take a new one."),
            {},
            {}};
  case CommandResult::disk_full:
    return {"storage-full",
            detail_or(reply, "There is no space to log a command; none was created."),
            {},
            kRepairRetryAfterS};
  case CommandResult::overloaded:
    return {"overloaded",
            detail_or(reply, "Too many commands are under way on this node."),
            {},
            kRetryAfterS};
  case CommandResult::unavailable:
    return {
        "shard-unavailable",
        detail_or(reply, "The command log can not be written or read now; it is being reopened."),
        {},
        kRepairRetryAfterS};
  case CommandResult::draining:
    return {"draining", detail_or(reply, "The node stops; ask again."), {}, kRetryAfterS};
  case CommandResult::ok:
  case CommandResult::wait_over:
    break;
  }
  return {"internal-error", "The command's state got lost.", {}, {}};
}

std::string_view how_far(const model::CommandRecord& record) {
  switch (record.progress.state) {
  case CommandState::queued:
    return "it is not sent yet, and will not be after expires_ts.";
  case CommandState::sent:
    return "it was sent and may have run; an answer is taken until expires_ts.";
  default:
    return "the device has it and may have run it; an answer is taken until expires_ts.";
  }
}

/// Of a wait that ended before the command, which is durable and lives on.
Problem unfinished(const CommandReply& reply, const Prefer& prefer) {
  Problem problem{"command-wait-timeout", {}, {}, {}};
  if (reply.result == CommandResult::draining) {
    problem.code = "draining";
    problem.detail = "The node stops and waits no longer. The command is logged: ask for it at "
                     "Location instead of sending it again; ";
    problem.retry_after_s = kRetryAfterS;
  } else {
    problem.detail = "No answer within " + std::to_string(prefer.wait_s.value_or(0)) + " s; ";
  }
  problem.detail += how_far(*reply.record);
  problem.command = command_json(*reply.record);
  return problem;
}

/// Whether the reply tells the command's state to those who send and ask.
bool tells_state(const CommandReply& reply) noexcept {
  return has_command(reply) &&
         (reply.result == CommandResult::ok || reply.result == CommandResult::wait_over ||
          reply.result == CommandResult::draining);
}

Response command_response(const model::CommandRecord& record, std::uint16_t status) {
  Response response = json_response();
  response.status = status;
  response.body = command_json(record);
  return response;
}

void add_applied(Response& response, const Prefer& prefer, bool answered_async) {
  if (std::string applied = applied_text(prefer, answered_async); !applied.empty()) {
    response.headers.emplace_back("Preference-Applied", std::move(applied));
  }
}

} // namespace

Response answer_to_send(const CommandReply& reply, const Prefer& prefer,
                        const ProblemContext& context, std::int64_t now_ms) {
  if (!tells_state(reply)) {
    return problem_response(problem_of(reply, now_ms), context);
  }
  const model::CommandRecord& record = *reply.record;
  const bool final = model::is_final(record.progress.state);
  Response response;
  if (final || prefer.wait_ms() == 0 || prefer.respond_async) {
    response = command_response(record, final ? 200 : 202);
  } else {
    response = problem_response(unfinished(reply, prefer), context);
  }
  response.headers.emplace_back("Location", command_location(record.command));
  add_applied(response, prefer, !final);
  if (reply.replayed) {
    response.headers.emplace_back("Idempotency-Replayed", "true");
  }
  return response;
}

Response answer_to_get(const CommandReply& reply, const Prefer& prefer,
                       const ProblemContext& context, std::int64_t now_ms) {
  if (!tells_state(reply)) {
    return problem_response(problem_of(reply, now_ms), context);
  }
  Response response = command_response(*reply.record, 200);
  add_applied(response, prefer, false);
  return response;
}

Response answer_to_cancel(const CommandReply& reply, const ProblemContext& context,
                          std::int64_t now_ms) {
  const bool canceled =
      has_command(reply) &&
      (reply.result == CommandResult::ok || reply.record->progress.state == CommandState::canceled);
  if (canceled) {
    return command_response(*reply.record, 200);
  }
  if (reply.result == CommandResult::wait_over || reply.result == CommandResult::draining) {
    // A cancel is given no time of its own: only the stop ends its wait.
    return problem_response({"draining",
                             "The node stops before it is known whether the command is canceled; "
                             "ask again.",
                             {},
                             kRetryAfterS},
                            context);
  }
  return problem_response(problem_of(reply, now_ms), context);
}

Problem body_too_large(std::string_view bytes) {
  return {"payload-too-large",
          "The body has " + std::string(bytes.substr(0, 20)) + " bytes; a command has at most " +
              std::to_string(kCommandBodyBytesMax) + ".",
          {},
          {}};
}

} // namespace spate::api
