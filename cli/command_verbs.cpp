// The verbs of `spate cmd` that ask once: send, get, cancel, ls.
#include <algorithm>
#include <cstdio>
#include <optional>

#include "cli/command_door.hpp"
#include "cli/command_view.hpp"
#include "cli/inputs.hpp"
#include "cli/json_object.hpp"

namespace spate::cli {

namespace {

constexpr std::size_t kListPage = 1000;

int failed(const Error& error) {
  complain(error);
  return exit_code_of(error);
}

/// Prints one command; nullopt if it could, else the exit code.
std::optional<int> show(std::string_view document, const CommandOptions& options,
                        CommandView& out) {
  auto command = parse_command(document);
  if (!command) {
    return failed(command.error());
  }
  out = std::move(*command);
  const std::string text = options.json ? out.document + "\n" : command_table({out});
  std::fputs(text.c_str(), stdout);
  return std::nullopt;
}

/// Of verbs that ask for one command as it is.
int show_one(const Result<HttpAnswer>& answer, const CommandOptions& options) {
  if (!answer) {
    return failed(answer.error());
  }
  if (answer->status != 200) {
    return complain(*answer, options);
  }
  CommandView command;
  return show(answer->body, options, command).value_or(kExitOk);
}

} // namespace

int send_command(const CommandOptions& options) {
  std::int64_t wait_s = 0;
  if (!options.wait.empty()) {
    const auto wait = parse_wait_s(options.wait);
    if (!wait) {
      return failed(wait.error());
    }
    wait_s = *wait;
  }
  auto body = command_body(options);
  auto door = CommandDoor::open(options);
  if (!body || !door) {
    return failed(body ? door.error() : body.error());
  }
  const auto answer = door->send(options, *body, wait_s);
  if (!answer) {
    return failed(answer.error());
  }
  CommandView command;
  if (answer->status == 200 || answer->status == 202) {
    if (const auto code = show(answer->body, options, command)) {
      return *code;
    }
    return command.final && command.state != "SUCCEEDED" ? kExitFailed : kExitOk;
  }
  if (const auto problem = JsonObject::parse(answer->body)) { // The command may live on.
    if (const std::string inside = problem->raw("command"); !inside.empty()) {
      show(inside, options, command);
    }
  }
  return complain(*answer, options);
}

int get_command(const CommandOptions& options) {
  auto door = CommandDoor::open(options);
  return door ? show_one(door->get(options.id, 0), options) : failed(door.error());
}

int cancel_command(const CommandOptions& options) {
  auto door = CommandDoor::open(options);
  return door ? show_one(door->cancel(options.id), options) : failed(door.error());
}

int list_commands(const CommandOptions& options) {
  auto door = CommandDoor::open(options);
  if (!door) {
    return failed(door.error());
  }
  std::vector<CommandView> commands;
  std::string cursor;
  do {
    const auto answer = door->list(
        options.states, std::min(options.limit - commands.size(), kListPage), cursor);
    if (!answer) {
      return failed(answer.error());
    }
    if (answer->status != 200) {
      return complain(*answer, options);
    }
    auto page = parse_command_page(answer->body);
    if (!page) {
      return failed(page.error());
    }
    if (options.json) { // One document a page, as the API wrote it.
      std::printf("%s\n", answer->body.c_str());
    }
    commands.insert(commands.end(), std::make_move_iterator(page->commands.begin()),
                    std::make_move_iterator(page->commands.end()));
    cursor = page->next_cursor;
  } while (!cursor.empty() && commands.size() < options.limit);
  if (!options.json) {
    std::fputs(commands.empty() ? "No commands.\n" : command_table(commands).c_str(), stdout);
  }
  return kExitOk;
}

} // namespace spate::cli
