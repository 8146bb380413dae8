#include "cli/command_door.hpp"

#include <cstdio>
#include <iostream>

#include "cli/inputs.hpp"
#include "cli/json_object.hpp"
#include "cli/table.hpp"
#include "engine/base/percent.hpp"
#include "engine/json/writer.hpp"

namespace spate::cli {

namespace {

constexpr std::int64_t kAnswerS = 30; ///< Beyond the wait.

std::vector<std::string> wait_header(std::int64_t wait_s) {
  return wait_s > 0 ? std::vector<std::string>{"Prefer: wait=" + std::to_string(wait_s)}
                    : std::vector<std::string>{};
}

/// The wait ended first, or the node's stop ended it: the command is durable and may still succeed.
bool lives_on(std::string_view code, const JsonObject& problem) {
  return code == "command-wait-timeout" || (code == "draining" && !problem.raw("command").empty());
}

/// What to do about a problem, where its detail is written for callers of the API.
std::string advice(std::string_view code, const JsonObject& problem, const CommandOptions& o) {
  if (code == "device-offline") {
    return "Add --queue to deliver it when the device is back.";
  }
  if (code == "device-not-found") {
    return "Known devices are listed at " + o.url + "/api/v1/devices.";
  }
  if (lives_on(code, problem)) {
    const auto command = JsonObject::parse(problem.raw("command"));
    return "Follow it with: spate cmd watch " + o.device + " " +
           (command ? command->text("id") : std::string("ID"));
  }
  if (code == "command-queue-full") {
    return "See them with: spate cmd ls " + o.device + " --state QUEUED,SENT,DELIVERED";
  }
  if (code == "command-not-found") {
    return "See what there is with: spate cmd ls " + o.device;
  }
  if (code == "command-already-sent") {
    return "Follow it with: spate cmd watch " + o.device + " " + o.id;
  }
  const auto retry_s = problem.integer("retry_after_s");
  return retry_s ? "Try again in " + std::to_string(*retry_s) + " s." : "";
}

} // namespace

Result<CommandDoor> CommandDoor::open(const CommandOptions& options) {
  auto client = HttpClient::open(options.url);
  if (!client) {
    return fail(std::move(client.error()));
  }
  return CommandDoor(std::move(*client),
                     "/api/v1/devices/" + percent_encode(options.device) + "/commands");
}

Result<HttpAnswer> CommandDoor::send(const CommandOptions& options, const std::string& body,
                                     std::int64_t wait_s) {
  HttpRequest request{"POST", path_, wait_header(wait_s), body, kAnswerS + wait_s};
  request.headers.emplace_back("Content-Type: application/json");
  if (!options.idempotency_key.empty()) {
    request.headers.push_back("Idempotency-Key: " + options.idempotency_key);
  }
  return client_->call(request);
}

Result<HttpAnswer> CommandDoor::get(std::string_view id, std::int64_t wait_s) {
  return client_->call(
      {"GET", path_ + "/" + percent_encode(id), wait_header(wait_s), {}, kAnswerS + wait_s});
}

Result<HttpAnswer> CommandDoor::cancel(std::string_view id) {
  return client_->call({"DELETE", path_ + "/" + percent_encode(id), {}, {}, kAnswerS});
}

Result<HttpAnswer> CommandDoor::list(const std::vector<std::string>& states, std::size_t limit,
                                     std::string_view cursor) {
  std::string path = path_ + "?limit=" + std::to_string(limit);
  for (const std::string& state : states) {
    path += "&state=" + percent_encode(state);
  }
  if (!cursor.empty()) {
    path += "&cursor=" + percent_encode(cursor);
  }
  return client_->call({"GET", path, {}, {}, kAnswerS});
}

Result<std::string> command_body(const CommandOptions& options) {
  std::string body;
  json::Writer out(body);
  out.begin_object().member("name", options.name);
  if (options.args) {
    auto args = read_args(*options.args, std::cin);
    if (!args) {
      return fail(std::move(args.error()));
    }
    out.key("args").raw(*args);
  }
  if (!options.ttl.empty()) {
    const auto ttl_ms = parse_duration_ms(options.ttl);
    if (!ttl_ms) {
      return fail(Errc::usage, "--ttl: " + ttl_ms.error().detail);
    }
    out.member("ttl_ms", *ttl_ms);
  }
  if (options.queue) {
    out.member("if_offline", "queue");
  }
  if (options.urgent) {
    out.member("priority", "urgent");
  }
  if (!options.complete_on.empty()) {
    out.member("complete_on", options.complete_on);
  }
  out.end_object();
  return body;
}

int exit_code_of(const Error& error) noexcept {
  return error.code == Errc::usage || error.code == Errc::file_unreadable ? kExitUsage
                                                                          : kExitFailed;
}

void complain(const Error& error) {
  std::fprintf(stderr, "spate: %s\n", printable(error.detail).c_str());
}

int complain(const HttpAnswer& answer, const CommandOptions& options) {
  const auto problem = JsonObject::parse(answer.body);
  const std::string code = problem ? problem->text("code") : std::string();
  if (code.empty()) {
    complain({Errc::malformed_payload, options.url + " answered " + std::to_string(answer.status) +
                                           ", but not as a Spate node does; is --url right?"});
    return kExitFailed;
  }
  std::string detail = problem->text("detail");
  if (detail.empty()) {
    detail = problem->text("title") + ".";
  }
  for (const std::string& item : problem->elements("errors")) {
    const auto fault = JsonObject::parse(item);
    if (fault && fault->text("detail") != detail && !fault->text("pointer").empty()) {
      detail += " " + fault->text("detail");
    }
  }
  const std::string next = advice(code, *problem, options);
  complain({Errc::malformed_payload, detail + (next.empty() ? "" : " ") + next});
  if (lives_on(code, *problem)) {
    return kExitNotMet;
  }
  const bool usage = answer.status == 400 || answer.status == 413 || code == "validation-failed";
  return usage ? kExitUsage : kExitFailed;
}

} // namespace spate::cli
