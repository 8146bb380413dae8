// What the command log keeps, answers and refuses.
#include <thread>

#include "tests/storage/command_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;
using model::CommandPriority;
using model::CommandState;

TEST_SUITE("command log") {
  TEST_CASE("every state is there after a restart, with all that belongs to it") {
    CommandFixture f;
    f.open();
    std::vector<model::CommandRecord> written;
    for (std::size_t i = 0; i < model::kCommandStates; ++i) {
      auto command = f.command(i % 2 == 0 ? "even" : "odd");
      command.complete_on = i % 3 == 0 ? model::CompleteOn::delivery : model::CompleteOn::response;
      command.if_offline = i % 2 == 0 ? model::IfOffline::fail : model::IfOffline::queue;
      command.priority = i % 4 == 0 ? CommandPriority::urgent : CommandPriority::normal;
      CHECK(f.create(command).status == CommandLogStatus::logged);
      const auto state = static_cast<CommandState>(i);
      f.submit(f.update(command, state, false, "why"));
      written.push_back({command, f.progress(state, "why")});
    }
    for (int restart = 0; restart < 3; ++restart) {
      for (const auto& record : written) {
        const auto loaded = f.ask(CommandLoad{record.command.device, record.command.id});
        CHECK(loaded.record == record);
        CHECK(f.find(record.command) == record);
      }
      CHECK(f.log->open_commands() == 3);
      CHECK(f.log->stats().history == 6);
      CHECK(f.open_of("even").size() == 2);
      CHECK(f.open_of("odd").size() == 1);
      f.open();
    }
  }

  TEST_CASE("a command that is not there is not found, also under another device") {
    CommandFixture f;
    f.open();
    const auto command = f.created();
    CHECK_FALSE(f.ask(CommandLoad{"other", command.id}).record);
    CHECK_FALSE(*f.log->find("d", f.ids.next(1)));
    CHECK_FALSE(f.ask(CommandLoad{"d", std::uint32_t{1}}).record);
    auto stray = command;
    stray.device = "other";
    CHECK(f.ask(f.update(stray, CommandState::sent)).status == CommandLogStatus::logged);
    CHECK(f.find(command)->progress.state == CommandState::queued);
    CHECK(f.log->open_commands() == 1);
  }

  TEST_CASE("a load sees what was submitted before it, and receipts come in that order") {
    CommandFixture f;
    f.open();
    std::vector<model::Command> commands;
    for (int i = 0; i < 200; ++i) {
      commands.push_back(f.command("d" + std::to_string(i % 7)));
      f.submit(CommandCreation{commands.back(), {}, 0});
      f.submit(f.update(commands.back(), CommandState::sent, false));
      f.submit(CommandLoad{commands.back().device, commands.back().id});
      f.submit(f.update(commands.back(), CommandState::failed));
    }
    std::uint64_t ticket = 1;
    for (int i = 0; i < 200; ++i) {
      CHECK(f.ears.next().ticket == ticket);
      const auto loaded = f.ears.next();
      CHECK(loaded.ticket == ticket + 2);
      REQUIRE(loaded.record);
      CHECK(loaded.record->progress.state >= CommandState::sent);
      CHECK(f.ears.next().ticket == ticket + 3);
      ticket += 4;
    }
    CHECK(f.log->open_commands() == 0);
    CHECK(f.log->stats().history == 200);
  }

  TEST_CASE("open commands come urgent first, then by age, page by page") {
    CommandFixture f;
    f.open();
    std::vector<Uuid> normal;
    std::vector<Uuid> expected;
    for (int i = 0; i < 25; ++i) {
      const bool urgent = i % 3 == 1;
      const auto command =
          f.created("d", urgent ? CommandPriority::urgent : CommandPriority::normal);
      f.created("d2");
      f.created("c");
      if (i == 4 || i == 5) { // One of each.
        f.finish(command);
      } else {
        (urgent ? expected : normal).push_back(command.id);
      }
    }
    expected.insert(expected.end(), normal.begin(), normal.end());
    for (const bool restarted : {false, true}) {
      CAPTURE(restarted);
      std::vector<Uuid> seen;
      CommandPageLoad load{"d", std::nullopt, 4};
      for (bool more = true; more;) {
        const auto receipt = f.ask(load);
        more = receipt.more;
        CHECK((!more || receipt.page.size() == 4));
        for (const auto& record : receipt.page) {
          seen.push_back(record.command.id);
          load.after = std::pair(record.command.priority, record.command.id);
        }
      }
      CHECK(seen == expected);
      f.open();
    }
    CHECK(f.ask(CommandPageLoad{"nobody", std::nullopt, 4}).page.empty());
  }

  TEST_CASE("an alias finds an open command of its device only") {
    CommandFixture f;
    f.open();
    const auto first = f.created();
    const auto second = f.created();
    CHECK(f.ask(CommandLoad{"d", model::alias_of(second.id)}).record->command == second);
    CHECK(f.ask(CommandLoad{"d", model::alias_of(first.id)}).record->command == first);
    f.created("other");
    CHECK_FALSE(f.ask(CommandLoad{"other", model::alias_of(first.id)}).record);
    f.finish(first);
    CHECK_FALSE(f.ask(CommandLoad{"d", model::alias_of(first.id)}).record);
  }

  TEST_CASE("a final command keeps its state and times; a late answer adds its reason") {
    CommandFixture f;
    f.open();
    const auto command = f.created();
    f.finish(command, CommandState::timed_out);
    const auto before = f.find(command)->progress;
    f.ask(f.update(command, CommandState::succeeded, true, "answered too late"));
    auto expected = before;
    expected.reason = "answered too late";
    CHECK(f.find(command)->progress == expected);
    f.ask(f.update(command, CommandState::sent, true, "answered too late"));
    CHECK(f.find(command)->progress == expected);
    f.ask(f.update(command, CommandState::failed, true, std::string(600, 'x')));
    CHECK(f.find(command)->progress.reason.size() == model::kCommandReasonBytesMax);
    CHECK(f.find(command)->progress.state == CommandState::timed_out);
    CHECK(f.log->stats().history == 1);
    CHECK(f.log->open_commands() == 0);
  }

  TEST_CASE("a device and the node have as many open commands as they may") {
    CommandFixture f;
    f.options.open_per_device_max = 2;
    f.options.open_max = 3;
    f.open();
    const auto first = f.created("a");
    f.created("a");
    auto refused = f.command("a");
    const auto receipt = f.create(refused);
    CHECK(receipt.status == CommandLogStatus::queue_full);
    CHECK(receipt.detail == "the device has as many open commands as it may (2)");
    f.created("b");
    CHECK(f.create(f.command("b")).status == CommandLogStatus::queue_full);
    CHECK_FALSE(f.find(refused));
    f.open();
    CHECK(f.create(refused).status == CommandLogStatus::queue_full);
    f.finish(first);
    CHECK(f.create(refused).status == CommandLogStatus::logged);
    CHECK(f.create(f.command("c")).status == CommandLogStatus::queue_full);
    CHECK(f.log->open_commands() == 3);
  }

  TEST_CASE("a queue that is full takes nothing, and a large entry counts by its bytes") {
    CommandFixture f;
    f.options.waiting_max = 0;
    f.open();
    CHECK_FALSE(f.log->submit(1, CommandLoad{"d", std::uint32_t{1}}));
    CHECK(f.log->stats().waiting == 0);
    CHECK(f.log->stats().oldest_ns == 0);
  }

  TEST_CASE("after stop() what was submitted is answered, and what comes later is not taken") {
    CommandFixture f;
    f.open();
    const auto command = f.command();
    f.submit(CommandCreation{command, {}, 0});
    f.log->stop();
    CHECK(f.ears.next().status == CommandLogStatus::logged);
    const auto later = f.create(f.command());
    CHECK(later.status == CommandLogStatus::unavailable);
    CHECK(later.detail == "the node is stopping");
    CHECK(f.log->fault() == "stopped");
    CHECK(f.log->find("d", command.id).error().code == Errc::storage_unavailable);
    CHECK(f.log->list({"d", {}, 10, std::nullopt}).error().code == Errc::storage_unavailable);
    f.open();
    CHECK(f.find(command));
    CHECK_FALSE(f.log->fault());
  }

  TEST_CASE("whatever is submitted while it stops is answered once, in its order") {
    for (int round = 0; round < 20; ++round) {
      CommandFixture f;
      f.options.open_per_device_max = 1'000'000;
      f.open();
      std::atomic<bool> stopped{false};
      std::uint64_t submitted = 0;
      std::thread submitter([&] {
        for (bool more = true; more;) {
          more = !stopped;                               // One more, after it has stopped.
          while (submitted >= f.ears.receipts() + 200) { // Each costs time below.
            std::this_thread::yield();
          }
          if (f.log->submit(submitted + 1, CommandCreation{f.command(), {}, 0})) {
            ++submitted;
          }
        }
      });
      while (f.ears.receipts() < 20) {
        std::this_thread::yield();
      }
      f.log->stop();
      stopped = true;
      submitter.join();
      REQUIRE(f.ears.receipts() == submitted);
      std::size_t logged = 0;
      bool refused = false;
      for (std::uint64_t ticket = 1; ticket <= submitted; ++ticket) {
        const auto receipt = f.ears.next();
        CHECK(receipt.ticket == ticket);
        refused = refused || receipt.status == CommandLogStatus::unavailable;
        CHECK((receipt.status == CommandLogStatus::logged) == !refused);
        logged += refused ? 0 : 1;
      }
      CHECK(refused);
      f.open();
      CHECK(f.log->open_commands() == logged);
    }
  }

  TEST_CASE("with fsync each group is synced once, and what needs no sync is not") {
    CommandFixture f;
    f.options.durability = Durability::fsync;
    f.open();
    const auto command = f.created();
    CHECK(f.log->stats().sync_us.count() == 1);
    f.submit(f.update(command, CommandState::sent, false));
    CHECK(f.ask(CommandLoad{"d", command.id}).record->progress.state == CommandState::sent);
    CHECK(f.log->stats().sync_us.count() == 1);
    f.finish(command);
    CHECK(f.log->stats().sync_us.count() == 2);
    CHECK(f.log->stats().wait_us.count() == 2);
  }

  TEST_CASE("lists are newest first, filtered by state, page by page") {
    CommandFixture f;
    f.open();
    std::vector<Uuid> failed;
    for (int i = 0; i < 30; ++i) {
      const auto command = f.created();
      f.created("d0");
      if (i % 3 == 0) {
        f.finish(command, CommandState::failed);
        failed.insert(failed.begin(), command.id);
      }
    }
    CommandQuery query{"d", {CommandState::failed}, 3, std::nullopt};
    std::vector<Uuid> seen;
    for (bool more = true; more;) {
      const auto page = f.log->list(query);
      REQUIRE(page);
      more = page->more;
      query.before = page->position;
      for (const auto& record : page->commands) {
        CHECK(record.command.device == "d");
        seen.push_back(record.command.id);
      }
    }
    CHECK(seen == failed);
    CHECK(f.log->list({"d", {}, 100, std::nullopt})->commands.size() == 30);
    CHECK(f.log->list({"x", {}, 100, std::nullopt})->commands.empty());
  }
}

TEST_SUITE("idempotency keys") {
  TEST_CASE("the same request gives what the first one made, another one is refused") {
    CommandFixture f;
    f.open();
    const auto first = f.command();
    CHECK(f.create(first, "key", 7).status == CommandLogStatus::logged);
    for (const bool restarted : {false, true}) {
      CAPTURE(restarted);
      const auto again = f.create(f.command(), "key", 7);
      CHECK(again.status == CommandLogStatus::replayed);
      CHECK(again.record == f.find(first));
      CHECK(f.create(f.command("other"), "key", 8).status == CommandLogStatus::key_reused);
      f.ask(f.update(first, CommandState::succeeded)); // A replay shows how far it is now.
      f.open();
    }
    CHECK(f.create(f.command(), "another", 7).status == CommandLogStatus::logged);
    CHECK(f.log->open_commands() == 1);
  }

  TEST_CASE("two requests in one group: the second is a replay") {
    CommandFixture f;
    f.open();
    std::vector<model::Command> commands;
    for (int i = 0; i < 300; ++i) {
      commands.push_back(f.command());
      const std::string key = "key" + std::to_string(i / 3);
      f.submit(CommandCreation{commands.back(), key, i % 3 == 2 ? 1u : 0u});
    }
    for (int i = 0; i < 300; ++i) {
      const auto receipt = f.ears.next();
      CHECK(receipt.status == (i % 3 == 0   ? CommandLogStatus::logged
                               : i % 3 == 1 ? CommandLogStatus::replayed
                                            : CommandLogStatus::key_reused));
      if (i % 3 == 1) {
        REQUIRE(receipt.record);
        CHECK(receipt.record->command == commands[static_cast<std::size_t>(i - 1)]);
      }
    }
    CHECK(f.log->open_commands() == 100);
  }

  TEST_CASE("a key that is older than key_ms counts as unused") {
    CommandFixture f;
    f.options.key_ms = 1000;
    f.options.history_ms = 5000;
    f.open();
    const auto first = f.command();
    f.create(first, "key", 1);
    f.finish(first);
    f.clock_ms += 999;
    CHECK(f.create(f.command(), "key", 1).status == CommandLogStatus::replayed);
    f.clock_ms += 1;
    const auto second = f.command();
    CHECK(f.create(second, "key", 2).status == CommandLogStatus::logged);
    // Removing the first command leaves the key to the second.
    f.clock_ms += 4000;
    f.log->poke();
    while (f.log->stats().history != 0) {
      std::this_thread::yield();
    }
    f.clock_ms -= 4000;
    CHECK(f.create(f.command(), "key", 2).status == CommandLogStatus::replayed);
  }

  TEST_CASE("a key can be looked up without making anything") {
    CommandFixture f;
    f.open();
    CommandCreation look{f.command(), "k", 1};
    look.key_only = true;
    const auto unknown = f.ask(look);
    CHECK(unknown.status == CommandLogStatus::logged);
    CHECK_FALSE(unknown.record);
    CHECK(f.log->open_commands() == 0);
    const auto made = f.command();
    CHECK(f.create(made, "k", 1).status == CommandLogStatus::logged);
    const auto known = f.ask(look);
    CHECK(known.status == CommandLogStatus::replayed);
    CHECK(known.record->command.id == made.id);
    look.request_hash = 2;
    CHECK(f.ask(look).status == CommandLogStatus::key_reused);
  }

  TEST_CASE("a refused command does not use its key up") {
    CommandFixture f;
    f.options.open_per_device_max = 1;
    f.open();
    const auto first = f.created();
    CHECK(f.create(f.command(), "key", 1).status == CommandLogStatus::queue_full);
    f.finish(first);
    CHECK(f.create(f.command(), "key", 1).status == CommandLogStatus::logged);
  }

  TEST_CASE("a command that is submitted again is made once") {
    CommandFixture f;
    f.open();
    const auto command = f.created();
    const auto again = f.create(command);
    CHECK(again.status == CommandLogStatus::replayed);
    CHECK(again.record->command == command);
    CHECK(f.log->open_commands() == 1);
    CHECK(f.open_of("d").size() == 1);
  }
}
