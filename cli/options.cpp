// The command line of `spate cmd`.
#include <cstdlib>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>

#include "cli/commands.hpp"
#include "cli/inputs.hpp"

namespace spate::cli {

namespace {

constexpr const char* kWaitUnsaid = "true"; ///< What CLI11 gives for a flag without "=".

constexpr const char* kSendFooter = R"(
Examples:
  spate cmd send lamp-1 set-interval '{"seconds":10}' --wait
      Sends it now and shows the device's answer; fails at once if the device is not connected.
  spate cmd send lamp-1 reboot --queue --ttl 24h
      Keeps it for a device that is away, and says under which id to follow it.
  spate cmd send lamp-1 set-profile @profile.json --wait=30 --urgent -o json
  jq -c .limits site.json | spate cmd send lamp-1 set-limits -

ARGS is JSON as it stands, @FILE, or - for the standard input. Numbers below 0 and texts that start
with a dash come behind --: spate cmd send lamp-1 set-offset -- -5

Exit status: 0 it succeeded, or without --wait is accepted; 1 it did not succeed, was refused, or no
node answered; 2 the command line is wrong; 3 the wait ended before the command did, which lives on.)";

constexpr const char* kWatchFooter = R"(
Examples:
  spate cmd watch lamp-1 01977f2e-6d5b-7c3a-9f10-3b2f6a1d9e44
      Shows each change of state with its time, until the command is final.
  spate cmd watch lamp-1
      Shows the device's commands, then new ones and their changes, until Ctrl-C.

Exit status, with ID: 0 it succeeded; 1 it ended otherwise, is not known, or no node answered (one
that did is asked again for a minute); 2 the command line is wrong. Without ID it ends by itself only
with 1 or 2.)";

constexpr const char* kListFooter = R"(
Examples:
  spate cmd ls lamp-1 --state QUEUED,SENT
  spate cmd ls lamp-1 --limit 100 -o json

Exit status: 0 they are listed, also if there are none; 1 the device is not known, or no node
answered; 2 the command line is wrong.)";

constexpr const char* kGetFooter = R"(
Exit status: 0 it is shown, whatever its state; 1 it is not known, or no node answered; 2 the command
line is wrong.)";

constexpr const char* kCancelFooter = R"(
Exit status: 0 it is canceled and will not be sent; 1 it was sent or is final already, is not known,
or no node answered; 2 the command line is wrong.)";

/// What all verbs share.
CLI::App* add_verb(CLI::App& cmd, CommandOptions& o, const char* name, const char* description,
                   const char* footer) {
  CLI::App* verb = cmd.add_subcommand(name, description);
  verb->add_option("device", o.device, "the device")->required()->type_name("DEVICE");
  verb->add_option("--url", o.url,
                   "where the node's API is (default " + std::string(kDefaultUrl) +
                       ", or SPATE_URL)")
      ->type_name("URL");
  verb->add_option_function<std::string>(
          "-o,--output", [&o](const std::string& format) { o.json = format == "json"; },
          "table, or json: the API's own document (default table)")
      ->check(CLI::IsMember({"table", "json"}))
      ->type_name("WORD");
  verb->footer(footer);
  return verb;
}

/// --wait takes its seconds behind "=" only, since a word behind a blank is DEVICE, NAME or ARGS.
/// Where that word looks like seconds, either reading would be a guess.
void settle_wait(const CLI::App& send, CommandOptions& o) {
  if (o.wait != kWaitUnsaid) {
    return;
  }
  o.wait = "10";
  const std::vector<CLI::Option*>& given = send.parse_order(); // One entry for each word.
  for (std::size_t i = 0; i + 1 < given.size(); ++i) {
    const CLI::Option& next = *given[i + 1];
    if (given[i]->get_name() != "--wait" || !next.get_positional()) {
      continue;
    }
    const std::string& word = next.results().front();
    if (looks_like_time(word)) {
      throw CLI::ValidationError("--wait", "write --wait=SECONDS (1 to 60) if " + word +
                                               " is how long to wait, or --wait=10 " + word +
                                               " if it is part of the command");
    }
  }
}

void add_send(CLI::App& send, CommandOptions& o) {
  send.add_option("name", o.name, "what it shall do: 1 to 64 of A-Z a-z 0-9 . _ -")
      ->required()
      ->type_name("NAME");
  send.add_option("args", o.args, "JSON, @FILE, or - for the standard input")->type_name("[ARGS]");
  send.add_flag("--wait", o.wait, "wait for the device's answer, at most 60 s (default 10)")
      ->option_text("[=SECONDS]");
  send.add_option("--ttl", o.ttl,
                  "never send it later than this: 30s, 24h (default the wait; without one 60s, "
                  "with --queue 24h)")
      ->type_name("DURATION");
  send.add_flag("--queue", o.queue, "keep it while the device is away, instead of failing");
  send.add_flag("--urgent", o.urgent, "before all that is not");
  send.add_option("--idempotency-key", o.idempotency_key,
                  "sent again with the same key, it stays the same command (24 h)")
      ->type_name("KEY");
  send.add_option("--complete-on", o.complete_on,
                  "response, or delivery: it succeeds when the device has it (default response)")
      ->check(CLI::IsMember({"response", "delivery"}))
      ->type_name("WORD");
}

void add_list(CLI::App& list, CommandOptions& o) {
  list.add_option("--state", o.states,
                  "only these: QUEUED, SENT, DELIVERED, SUCCEEDED, FAILED, REJECTED, TIMED_OUT, "
                  "EXPIRED, CANCELED")
      ->delimiter(',')
      ->transform(CLI::IsMember({"QUEUED", "SENT", "DELIVERED", "SUCCEEDED", "FAILED", "REJECTED",
                             "TIMED_OUT", "EXPIRED", "CANCELED"},
                            CLI::ignore_case))
      ->expected(1) // Each --state takes one word: what follows is not its.
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("STATE");
  list.add_option("--limit", o.limit, "at most so many, the newest (default 20)")
      ->check(CLI::Range(1, 10'000))
      ->type_name("N");
}

} // namespace

std::string default_url() {
  const char* const url = std::getenv("SPATE_URL");
  return url != nullptr && *url != '\0' ? url : kDefaultUrl;
}

void add_command_verbs(CLI::App& app, std::function<int()>& run) {
  CLI::App* cmd = app.add_subcommand("cmd", "send commands to devices and follow them");
  cmd->require_subcommand(1);
  const auto options = std::make_shared<CommandOptions>();
  const auto runs = [&run, options](CLI::App* verb, int (*function)(const CommandOptions&)) {
    verb->callback([&run, options, function, verb] {
      settle_wait(*verb, *options);
      if (options->url.empty()) {
        options->url = default_url();
      }
      run = [options, function] { return function(*options); };
    });
  };
  CLI::App* send =
      add_verb(*cmd, *options, "send", "send a command to a device", kSendFooter);
  add_send(*send, *options);
  runs(send, send_command);

  CLI::App* watch = add_verb(*cmd, *options, "watch", "follow one command, or all of a device",
                             kWatchFooter);
  watch->add_option("id", options->id, "the command; without it all of the device")
      ->type_name("[ID]");
  runs(watch, watch_commands);

  CLI::App* list = add_verb(*cmd, *options, "ls", "list a device's commands, newest first",
                            kListFooter);
  add_list(*list, *options);
  runs(list, list_commands);

  CLI::App* get = add_verb(*cmd, *options, "get", "show one command", kGetFooter);
  get->add_option("id", options->id, "the command")->required()->type_name("ID");
  runs(get, get_command);

  CLI::App* cancel = add_verb(*cmd, *options, "cancel", "take back a command that is not sent",
                              kCancelFooter);
  cancel->add_option("id", options->id, "the command")->required()->type_name("ID");
  runs(cancel, cancel_command);
}

} // namespace spate::cli
