// `spate cmd watch`: one command until it is final, or all of a device.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "cli/command_door.hpp"
#include "cli/command_view.hpp"
#include "cli/table.hpp"

namespace spate::cli {

namespace {

/// The API answers a long poll when the command is final: a short one also shows what is between.
constexpr std::int64_t kPollS = 2;
constexpr auto kListPause = std::chrono::seconds(1);
constexpr int kOutageTriesMax = 60; ///< A second each.
constexpr std::size_t kShownFirst = 20;
constexpr std::size_t kPage = 100;
constexpr int kPagesMax = 10;
constexpr std::size_t kFollowedMax = 10'000;
constexpr std::size_t kOutcomeCharactersMax = 100;

/// Asks again while the node does not answer, or can not now; after a minute it gives up.
class Patience {
public:
  explicit Patience(const CommandOptions& options) : options_(options) {}

  /// True: `answer` is 200. False: give up, exit_code() says how.
  template <class Ask>
  bool ask(Ask&& ask_once, HttpAnswer& answer) {
    for (int tries = 0;; ++tries) {
      auto asked = ask_once();
      const bool busy = asked && (asked->status == 429 || asked->status == 503);
      if (asked && !busy) {
        answer = std::move(*asked);
        reached_ = true;
        exit_code_ = answer.status == 200 ? kExitOk : complain(answer, options_);
        return answer.status == 200;
      }
      // Who was never there is rather somewhere else.
      const bool give_up = tries == kOutageTriesMax || (!asked && !reached_);
      if (tries == 0 || give_up) {
        exit_code_ = kExitFailed;
        asked ? static_cast<void>(complain(*asked, options_)) : complain(asked.error());
      }
      if (give_up) {
        return false;
      }
      std::this_thread::sleep_for(std::chrono::seconds(1));
    }
  }
  [[nodiscard]] int exit_code() const noexcept { return exit_code_; }

private:
  const CommandOptions& options_;
  bool reached_ = false;
  int exit_code_ = kExitFailed;
};

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

/// "TIME  STATE      TOTAL  RESULT", behind the time also ID and NAME if there are several.
void print_step(const CommandView& command, const std::string& state, std::int64_t at_ms,
                bool several) {
  std::string line = time_text(at_ms) + "  ";
  if (several) {
    line += printable(command.id) + "  " + printable(command.name) + "  ";
  }
  line += printable(state);
  if (command.final && state == command.state) {
    if (command.total_us) {
      line += "  " + duration_text(*command.total_us);
    }
    if (const std::string outcome = outcome_of(command, kOutcomeCharactersMax); !outcome.empty()) {
      line += "  " + outcome;
    }
  }
  print(line + "\n");
}

/// Prints the states that follow `last`, all if it is empty, and makes it the present one.
void print_changes(const CommandView& command, std::string& last, bool several, bool json) {
  if (command.state == last) {
    return;
  }
  if (json) {
    print(command.document + "\n");
  } else {
    const auto steps = steps_of(command);
    auto next = std::find_if(steps.begin(), steps.end(),
                             [&](const auto& step) { return step.first == last; });
    next = next == steps.end() ? steps.begin() : next + 1;
    for (; next != steps.end(); ++next) {
      print_step(command, next->first, next->second, several);
    }
  }
  last = command.state;
}

int watch_one(CommandDoor& door, const CommandOptions& options) {
  Patience patience(options);
  std::string last;
  for (std::int64_t wait_s = 0;; wait_s = kPollS) {
    HttpAnswer answer;
    if (!patience.ask([&] { return door.get(options.id, wait_s); }, answer)) {
      return patience.exit_code();
    }
    const auto command = parse_command(answer.body);
    if (!command) {
      complain(command.error());
      return kExitFailed;
    }
    print_changes(*command, last, false, options.json);
    if (command->final) {
      return command->state == "SUCCEEDED" ? kExitOk : kExitFailed;
    }
  }
}

class DeviceWatch {
public:
  DeviceWatch(CommandDoor& door, const CommandOptions& options)
      : door_(door), options_(options), patience_(options) {}

  int run() {
    while (read_new() && ask_for_the_rest()) {
      std::this_thread::sleep_for(kListPause);
    }
    return patience_.exit_code();
  }

private:
  /// Reads back to the newest command that is known.
  bool read_new() {
    std::vector<CommandView> found; // Newest first.
    std::string cursor;
    for (int page_number = 0; page_number < kPagesMax; ++page_number) {
      HttpAnswer answer;
      if (!patience_.ask([&] { return door_.list({}, started_ ? kPage : kShownFirst, cursor); },
                         answer)) {
        return false;
      }
      auto page = parse_command_page(answer.body);
      if (!page) {
        complain(page.error());
        return false;
      }
      cursor = page->next_cursor;
      const bool to_known =
          std::any_of(page->commands.begin(), page->commands.end(),
                      [&](const CommandView& command) { return command.id <= newest_; });
      found.insert(found.end(), std::make_move_iterator(page->commands.begin()),
                   std::make_move_iterator(page->commands.end()));
      if (!started_ || to_known || cursor.empty()) {
        break;
      }
    }
    seen_.clear();
    for (auto at = found.rbegin(); at != found.rend(); ++at) {
      show(*at);
    }
    started_ = true;
    return true;
  }

  /// Open commands that are too old for the page.
  bool ask_for_the_rest() {
    std::vector<std::string> rest;
    for (const auto& [id, followed] : followed_) {
      if (!followed.final && seen_.count(id) == 0) {
        rest.push_back(id);
      }
    }
    for (const std::string& id : rest) {
      HttpAnswer answer;
      if (!patience_.ask([&] { return door_.get(id, 0); }, answer)) {
        return false;
      }
      if (const auto command = parse_command(answer.body)) {
        show(*command);
      }
    }
    return true;
  }

  /// Ids are in the order of their making, so the first entries are the oldest.
  void show(const CommandView& command) {
    const bool known = followed_.count(command.id) != 0;
    if (!known && started_ && command.id <= newest_) {
      return; // Older than what was shown at first.
    }
    Followed& followed = followed_[command.id];
    if (!known && !started_) {
      // Of those that were there before, only what they are now.
      const auto steps = steps_of(command);
      options_.json ? print(command.document + "\n")
                    : print_step(command, steps.back().first, steps.back().second, true);
      followed.state = command.state;
    } else {
      print_changes(command, followed.state, true, options_.json);
    }
    followed.final = command.final;
    seen_.insert(command.id);
    newest_ = std::max(newest_, command.id);
    while (followed_.size() > kFollowedMax) {
      followed_.erase(followed_.begin());
    }
  }

  struct Followed {
    std::string state;
    bool final = false;
  };
  CommandDoor& door_;
  const CommandOptions& options_;
  Patience patience_;
  std::map<std::string, Followed> followed_;
  std::set<std::string> seen_; ///< In this turn.
  std::string newest_;
  bool started_ = false;
};

} // namespace

int watch_commands(const CommandOptions& options) {
  auto door = CommandDoor::open(options);
  if (!door) {
    complain(door.error());
    return exit_code_of(door.error());
  }
  return options.id.empty() ? DeviceWatch(*door, options).run() : watch_one(*door, options);
}

} // namespace spate::cli
