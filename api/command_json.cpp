#include "api/command_json.hpp"

#include "api/parameters.hpp"
#include "engine/base/percent.hpp"

namespace spate::api {

namespace {

void raw_or_null(json::Writer& out, std::string_view name, std::string_view text) {
  out.key(name);
  text.empty() ? out.null() : out.raw(text);
}

/// 0: it has not happened.
void instant_or_null(json::Writer& out, std::string_view name, std::int64_t ms) {
  out.key(name);
  ms == 0 ? out.null() : out.integer(ms);
}

} // namespace

void write_command(json::Writer& out, const model::CommandRecord& record) {
  const model::Command& command = record.command;
  const model::CommandProgress& progress = record.progress;
  out.begin_object().member("id", text_of(command.id)).member("device", command.device);
  out.member("name", command.name);
  raw_or_null(out, "args", command.args);
  out.member("priority", model::name_of(command.priority));
  out.member("if_offline", model::name_of(command.if_offline));
  out.member("complete_on", model::name_of(command.complete_on));
  out.member("state", model::name_of(progress.state));
  out.member("final", model::is_final(progress.state));
  out.member("expires_ts", command.expires_ms);
  raw_or_null(out, "result", progress.result);
  out.key("reason");
  progress.reason.empty() ? out.null() : out.string(progress.reason);
  out.key("timings").begin_object().member("created_ts", command.created_ms);
  instant_or_null(out, "sent_ts", progress.sent_ms);
  instant_or_null(out, "delivered_ts", progress.delivered_ms);
  instant_or_null(out, "completed_ts", progress.completed_ms);
  out.key("total_us");
  progress.total_us < 0 ? out.null() : out.integer(progress.total_us);
  out.end_object().end_object();
}

std::string command_json(const model::CommandRecord& record) {
  std::string text;
  json::Writer out(text);
  write_command(out, record);
  return text;
}

std::string command_location(const model::Command& command) {
  return "/api/v1/devices/" + percent_encode(command.device) + "/commands/" + text_of(command.id);
}

} // namespace spate::api
