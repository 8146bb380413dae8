#include "cli/command_view.hpp"

#include "cli/json_object.hpp"
#include "cli/table.hpp"

namespace spate::cli {

namespace {
constexpr std::size_t kOutcomeCharactersMax = 60;
} // namespace

Result<CommandView> parse_command(std::string_view document) {
  const auto object = JsonObject::parse(document);
  if (!object) {
    return fail(Errc::malformed_payload, "the answer is no command: " + object.error().detail);
  }
  CommandView command;
  command.document = document;
  command.id = object->text("id");
  command.device = object->text("device");
  command.name = object->text("name");
  command.state = object->text("state");
  command.final = object->is_true("final");
  command.args = object->raw("args");
  command.result = object->raw("result");
  command.reason = object->text("reason");
  if (const auto timings = JsonObject::parse(object->raw("timings"))) {
    command.created_ms = timings->integer("created_ts").value_or(0);
    command.sent_ms = timings->integer("sent_ts");
    command.delivered_ms = timings->integer("delivered_ts");
    command.completed_ms = timings->integer("completed_ts");
    command.total_us = timings->integer("total_us");
  }
  if (command.id.empty() || command.state.empty()) {
    return fail(Errc::malformed_payload, "the answer is no command: it has no id or no state");
  }
  return command;
}

Result<CommandPageView> parse_command_page(std::string_view document) {
  const auto object = JsonObject::parse(document);
  if (!object || object->raw("items").empty()) {
    return fail(Errc::malformed_payload, "the answer is no list of commands");
  }
  CommandPageView page;
  page.next_cursor = object->text("next_cursor");
  for (const std::string& item : object->elements("items")) {
    auto command = parse_command(item);
    if (!command) {
      return fail(std::move(command.error()));
    }
    page.commands.push_back(std::move(*command));
  }
  return page;
}

std::vector<std::pair<std::string, std::int64_t>> steps_of(const CommandView& command) {
  std::vector<std::pair<std::string, std::int64_t>> steps{{"QUEUED", command.created_ms}};
  if (command.sent_ms) {
    steps.emplace_back("SENT", *command.sent_ms);
  }
  if (command.delivered_ms) {
    steps.emplace_back("DELIVERED", *command.delivered_ms);
  }
  if (command.final) {
    steps.emplace_back(command.state, command.completed_ms.value_or(steps.back().second));
  } else if (steps.back().first != command.state) {
    steps.emplace_back(command.state, steps.back().second); // A state of a later version.
  }
  return steps;
}

std::string outcome_of(const CommandView& command, std::size_t characters_max) {
  std::string text = command.result;
  if (!command.reason.empty()) {
    text.append(text.empty() ? "" : "  ").append(command.reason);
  }
  return printable(text, characters_max);
}

std::string command_table(const std::vector<CommandView>& commands) {
  Table table({"ID", "CREATED", "NAME", "STATE", "TOTAL", "RESULT"});
  for (const CommandView& command : commands) {
    table.add({printable(command.id), time_text(command.created_ms), printable(command.name),
               printable(command.state),
               command.total_us ? duration_text(*command.total_us) : std::string("-"),
               outcome_of(command, kOutcomeCharactersMax)});
  }
  return table.text();
}

} // namespace spate::cli
