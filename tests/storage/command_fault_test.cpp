// The command log when writes fail, the process dies or the power goes.
#include <map>
#include <random>
#include <set>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/storage/command_fixture.hpp"
#include "tests/storage/power_fs.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;
using model::CommandState;

namespace {

struct FaultyLog : CommandFixture {
  std::shared_ptr<PowerFs> fs = std::make_shared<PowerFs>();
  PowerEnv env{fs};

  FaultyLog() {
    options.env = &env;
    options.durability = Durability::fsync;
  }
  ~FaultyLog() {
    fs->clear();
    fs->revive();
    log.reset();
  }
};

} // namespace

TEST_SUITE("command log faults") {
  TEST_CASE("after a failed sync all that waits is refused until the log was reopened") {
    FaultyLog f;
    f.open();
    const auto before = f.created();
    f.fs->fail(PowerFs::Fault::sync_eio);
    const auto lost = f.command();
    const auto refused = f.create(lost);
    CHECK(refused.status == CommandLogStatus::unavailable);
    CHECK(refused.detail == "fdatasync: Input/output error");
    // Reopening needs a sync as well, so it goes on failing.
    CHECK(f.create(f.command()).status == CommandLogStatus::unavailable);
    CHECK(f.ask(CommandLoad{"d", before.id}).status == CommandLogStatus::unavailable);
    REQUIRE(f.log->fault());
    CHECK(f.log->fault()->find("Input/output error; reopening") != std::string::npos);
    CHECK(f.log->find("d", before.id).error().code == Errc::storage_unavailable);
    f.fs->clear();
    f.create_until_logged(lost); // It may be there already: then it is a replay.
    CHECK_FALSE(f.log->fault());
    CHECK(f.log->stats().reopens == 1);
    CHECK(f.find(before));
    f.log.reset();
    std::mt19937 random(1);
    f.fs->cut(random, false);
    f.open();
    CHECK(f.find(before));
    CHECK(f.find(lost));
    CHECK(f.log->open_commands() == f.open_of("d").size());
  }

  TEST_CASE("a full disk is answered as full, and taken back by itself") {
    FaultyLog f;
    f.open();
    const auto before = f.created();
    f.fs->fail(PowerFs::Fault::write_enospc);
    CHECK(f.create(f.command()).status == CommandLogStatus::disk_full);
    CHECK(f.ask(f.update(before, CommandState::sent)).status == CommandLogStatus::disk_full);
    f.fs->clear();
    f.create_until_logged(f.command());
    f.finish(before);
    CHECK(f.find(before)->progress.state == CommandState::succeeded);
  }

  TEST_CASE("that a command was sent is not forgotten, though the log refused it then") {
    FaultyLog f;
    f.open();
    const auto sent = f.created();
    f.fs->fail(PowerFs::Fault::sync_eio);
    CHECK(f.create(f.command()).status == CommandLogStatus::unavailable);
    auto update = f.update(sent, CommandState::sent);
    update.sync = false;
    f.submit(update);
    f.fs->clear();
    f.create_until_logged(f.command());
    // Whoever did not hear of it calls it expired.
    auto end = f.update(sent, CommandState::expired);
    end.progress.sent_ms = 0;
    CHECK(f.ask(end).status == CommandLogStatus::logged);
    CHECK(f.find(sent)->progress.state == CommandState::timed_out);
    CHECK(f.find(sent)->progress.sent_ms == update.progress.sent_ms);
  }

  TEST_CASE("opening on a full disk waits for space; a new log is not begun there") {
    FaultyLog f;
    f.fs->fail(PowerFs::Fault::write_enospc);
    CHECK(f.try_open().error().code == Errc::storage_full);
    f.fs->clear();
    f.open();
    const auto before = f.created();
    f.log.reset();
    f.fs->fail(PowerFs::Fault::write_enospc);
    f.open();
    CHECK(f.log->fault());
    CHECK(f.create(f.command()).status == CommandLogStatus::disk_full);
    f.fs->clear();
    f.create_until_logged(f.command());
    CHECK(f.find(before));
  }

  TEST_CASE("the whole queue is refused in its order, and stop() does not wait for the disk") {
    FaultyLog f;
    f.open();
    f.fs->fail(PowerFs::Fault::write_eio);
    std::vector<std::uint64_t> tickets;
    for (int i = 0; i < 500; ++i) {
      tickets.push_back(f.submit(CommandCreation{f.command(), {}, 0}));
    }
    for (const std::uint64_t ticket : tickets) {
      const auto receipt = f.ears.next();
      CHECK(receipt.ticket == ticket);
      CHECK(receipt.status == CommandLogStatus::unavailable);
    }
    f.submit(CommandCreation{f.command(), {}, 0});
    f.log->stop();
    CHECK(f.ears.next().status == CommandLogStatus::unavailable);
    CHECK(f.log->stats().waiting == 0);
  }

  TEST_CASE("whichever write or sync fails, nothing that was answered `logged` is lost") {
    for (const auto fault :
         {PowerFs::Fault::sync_eio, PowerFs::Fault::write_eio, PowerFs::Fault::write_enospc}) {
      for (std::uint64_t n = 1; n <= 12; ++n) {
        CAPTURE(n);
        FaultyLog f;
        f.open();
        f.fs->fail_once(fault, n);
        std::map<Uuid, CommandState> answered;
        for (int i = 0; i < 12; ++i) {
          const auto command = f.command();
          const auto made = f.create(command).status;
          if (made != CommandLogStatus::logged) {
            continue;
          }
          answered[command.id] = CommandState::queued;
          if (f.ask(f.update(command, CommandState::failed)).status == CommandLogStatus::logged) {
            answered[command.id] = CommandState::failed;
          }
        }
        f.fs->clear();
        f.create_until_logged(f.command());
        CHECK(f.log->stats().reopens == 1);
        for (int restart = 0; restart < 2; ++restart) {
          for (const auto& [id, state] : answered) {
            const auto found = f.log->find("d", id);
            REQUIRE(found);
            REQUIRE(*found);
            CHECK((*found)->progress.state >= state);
          }
          const auto all = f.log->list({"d", {}, 1000, std::nullopt});
          CHECK(f.log->stats().open + f.log->stats().history == all->commands.size());
          CHECK(f.log->open_commands() == f.open_of("d").size());
          f.open();
        }
      }
    }
  }

  /// The same commands in parent and child.
  std::vector<model::Command> one_of_each_state(CommandFixture & f) {
    std::vector<model::Command> commands;
    for (std::size_t i = 0; i < model::kCommandStates; ++i) {
      commands.push_back(f.command());
    }
    return commands;
  }

  constexpr const char* kKilledDirectory = "SPATE_TEST_KILLED_DIRECTORY";

  TEST_CASE("child of the test below" * doctest::skip()) {
    const char* directory = ::getenv(kKilledDirectory);
    REQUIRE(directory != nullptr);
    CommandFixture f;
    f.options.directory = directory;
    f.open();
    const auto commands = one_of_each_state(f);
    for (std::size_t i = 0; i < commands.size(); ++i) {
      f.create(commands[i]);
      f.submit(f.update(commands[i], static_cast<CommandState>(i), false));
    }
    f.ask(CommandLoad{"d", commands[0].id});
    ::raise(SIGKILL);
  }

  TEST_CASE("kill -9 in any state: the state that was written to the kernel is there") {
    CommandFixture f;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      // Another program from here on: threads of RocksDB do not survive a fork.
      ::setenv(kKilledDirectory, f.options.directory.c_str(), 1);
      ::execl("/proc/self/exe", "child", "-tc=child of the test below", "--no-skip", nullptr);
      ::_exit(1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    f.open();
    const auto commands = one_of_each_state(f);
    for (std::size_t i = 0; i < commands.size(); ++i) {
      const auto found = f.find(commands[i]);
      REQUIRE(found);
      CHECK(found->command == commands[i]);
      CHECK(found->progress == f.progress(static_cast<CommandState>(i)));
    }
    CHECK(f.log->open_commands() == 3);
    CHECK(f.open_of("d").size() == 3);
  }
}

namespace {

struct CutResult {
  std::size_t answered = 0;
  std::size_t lost = 0;
  std::size_t inconsistent = 0;
};

/// Four times: create and finish until the power goes or the process dies, open, compare with what
/// was answered before.
CutResult command_cuts(std::uint32_t seed, Durability durability, bool kills) {
  std::mt19937 random(seed);
  FaultyLog f;
  f.ids = UuidSource(seed);
  f.options.durability = durability;
  f.options.history_max = 1'000'000;
  CutResult result;
  std::map<Uuid, CommandState> answered;
  std::vector<model::Command> open;
  for (int round = 0; round < 4; ++round) {
    f.open();
    f.fs->die_after(1 + random() % 120);
    while (!f.fs->dead()) {
      std::vector<std::pair<model::Command, CommandState>> sent;
      for (auto entries = 1 + random() % 6; entries != 0; --entries) {
        if (open.empty() || random() % 2 == 0) {
          auto command = f.command("d" + std::to_string(random() % 3));
          command.args = std::string(random() % 3000, '1');
          sent.emplace_back(command, CommandState::queued);
          f.submit(CommandCreation{command, command.args, 1});
        } else {
          const auto command = open.back();
          open.pop_back();
          f.submit(f.update(command, CommandState::sent, false));
          sent.emplace_back(command, CommandState::succeeded);
          f.submit(f.update(command, CommandState::succeeded));
        }
      }
      std::vector<CommandLogStatus> statuses;
      for (std::size_t i = 0; i < sent.size(); ++i) {
        statuses.push_back(f.ears.next().status);
      }
      // Asked after the answers and before the cut: what is answered later proves nothing.
      for (std::size_t i = 0; i < sent.size() && !f.fs->dead(); ++i) {
        if (statuses[i] == CommandLogStatus::logged) {
          ++result.answered;
          answered[sent[i].first.id] = sent[i].second;
          if (sent[i].second == CommandState::queued) {
            open.push_back(sent[i].first);
          }
        }
      }
    }
    f.log.reset();
    open.clear();
    if (kills && round % 2 == 0) {
      f.fs->revive();
    } else {
      f.fs->cut(random, seed % 2 == 0);
    }
    f.open();
    std::map<Uuid, CommandState> there;
    std::size_t open_count = 0;
    for (const char* device : {"d0", "d1", "d2"}) {
      const auto page = f.log->list({device, {}, 100'000, std::nullopt});
      REQUIRE(page);
      CHECK_FALSE(page->more);
      std::set<Uuid> listed_open;
      for (const auto& record : page->commands) {
        there[record.command.id] = record.progress.state;
        if (!model::is_final(record.progress.state)) {
          listed_open.insert(record.command.id);
        }
      }
      const auto indexed = f.open_of(device);
      open_count += listed_open.size();
      result.inconsistent += std::set<Uuid>(indexed.begin(), indexed.end()) == listed_open ? 0 : 1;
    }
    result.inconsistent += f.log->open_commands() == open_count ? 0 : 1;
    result.inconsistent += f.log->stats().history == there.size() - open_count ? 0 : 1;
    for (const auto& [id, state] : answered) {
      const auto found = there.find(id);
      const bool lost = found == there.end() || (model::is_final(state) && found->second != state);
      result.lost += lost ? 1 : 0;
    }
    f.log.reset();
  }
  return result;
}

} // namespace

TEST_SUITE("command log power cuts") {
  TEST_CASE("with fsync no command and no final state that was answered is lost") {
    std::size_t answered = 0;
    for (std::uint32_t seed = 1; seed <= 50; ++seed) {
      CAPTURE(seed);
      const CutResult result = command_cuts(seed, Durability::fsync, seed % 3 != 0);
      CHECK(result.lost == 0);
      CHECK(result.inconsistent == 0);
      answered += result.answered;
    }
    CHECK(answered > 2000);
  }

  TEST_CASE("without fsync some are lost, so the test above can tell") {
    std::size_t lost = 0;
    for (std::uint32_t seed = 1; seed <= 10; ++seed) {
      const CutResult result = command_cuts(seed, Durability::os, false);
      lost += result.lost;
      CHECK(result.inconsistent == 0);
    }
    CHECK(lost > 0);
  }
}
