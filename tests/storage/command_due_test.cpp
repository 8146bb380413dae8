// When commands come to their end, and how long they are kept after it.
#include <set>

#include "storage/command_due.hpp"
#include "storage/command_group.hpp"
#include "storage/command_history.hpp"
#include "tests/storage/command_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;
using model::CommandState;

namespace {

std::set<Uuid> ids_of(const std::vector<model::CommandRecord>& records) {
  std::set<Uuid> out;
  for (const auto& record : records) {
    out.insert(record.command.id);
  }
  return out;
}

/// A database and groups without the thread.
struct Agenda {
  CommandFixture f;
  std::unique_ptr<CommandDatabase> database;
  CommandTotals totals;
  CommandDue due{4};
  std::int64_t now_ms = 1'700'000'000'000;

  Agenda() {
    auto opened = CommandDatabase::open(f.options.directory, nullptr, true, [](const auto&) {});
    REQUIRE(opened);
    database = std::move(*opened);
    due.opened();
    REQUIRE(tell().empty());
  }
  template <class Entry>
  void write(const Entry& entry) {
    CommandGroup group(*database, f.options, totals, now_ms);
    REQUIRE(group.add(entry).status == CommandLogStatus::logged);
    group.finish();
    REQUIRE(database->write(group.batch(), false).ok());
    totals = group.totals();
    for (const Uuid& id : group.ended()) {
      due.ended(id);
    }
    due.created(group.first_due_ms());
  }
  model::Command create(std::int64_t ttl_ms) {
    f.clock_ms = now_ms;
    const auto command = f.command("d", model::CommandPriority::normal, ttl_ms);
    write(CommandCreation{command, {}, 0});
    return command;
  }
  void finish(const model::Command& command) {
    write(CommandFixture::update(command, CommandState::expired));
  }
  std::vector<model::CommandRecord> tell() {
    auto told = due.next(*database, now_ms);
    REQUIRE(told);
    return std::move(*told);
  }
};

} // namespace

TEST_SUITE("due commands") {
  TEST_CASE("a command is told at its time, and again a second later while it is open") {
    Agenda a;
    const auto late = a.create(500);
    const auto early = a.create(100);
    CHECK(a.due.wake_ms() == early.expires_ms);
    CHECK(a.tell().empty());
    a.now_ms += 100;
    CHECK(ids_of(a.tell()) == std::set<Uuid>{early.id});
    CHECK(a.tell().empty());
    CHECK(a.due.wake_ms() == late.expires_ms);
    a.now_ms += 400;
    CHECK(ids_of(a.tell()) == std::set<Uuid>{late.id});
    CHECK(a.due.wake_ms() == early.expires_ms + 1000);
    a.now_ms += 600;
    CHECK(ids_of(a.tell()) == std::set<Uuid>{early.id, late.id});
    a.finish(early);
    a.now_ms += 1000;
    CHECK(ids_of(a.tell()) == std::set<Uuid>{late.id});
    a.finish(late);
    CHECK(a.due.wake_ms() == INT64_MAX);
    a.now_ms += 5000;
    CHECK(a.tell().empty());
  }

  TEST_CASE("one that ended before its time is not told") {
    Agenda a;
    const auto done = a.create(100);
    const auto open = a.create(200);
    a.finish(done);
    a.now_ms += 150;
    CHECK(a.tell().empty());
    CHECK(a.due.wake_ms() == open.expires_ms);
    const auto overdue = a.create(-1000); // It comes before those that were looked at.
    CHECK(ids_of(a.tell()) == std::set<Uuid>{overdue.id});
  }

  TEST_CASE("the next ones are told when those before are final") {
    Agenda a;
    std::vector<model::Command> commands;
    for (int i = 0; i < 10; ++i) {
      commands.push_back(a.create(i));
    }
    a.now_ms += 100;
    CHECK(a.tell().size() == 4);
    CHECK(a.tell().empty());
    a.finish(commands[2]);
    const auto next = a.tell();
    CHECK(ids_of(next) == std::set<Uuid>{commands[4].id});
    for (int i = 0; i < 5; ++i) {
      a.finish(commands[static_cast<std::size_t>(i)]);
    }
    CHECK(a.tell().size() == 4);
  }

  TEST_CASE("those that stay open hold the others up for a second only, and come again") {
    Agenda a;
    std::multiset<Uuid> told;
    for (int i = 0; i < 10; ++i) {
      a.create(i);
    }
    a.now_ms += 100;
    for (int second = 0; second < 6; ++second) {
      for (const auto& record : a.tell()) {
        told.insert(record.command.id);
      }
      CHECK(a.tell().empty());
      CHECK(a.due.wake_ms() == a.now_ms + 1000);
      a.now_ms += 1000;
    }
    for (const Uuid& id : told) {
      CHECK(told.count(id) == 2);
    }
    CHECK(told.size() == 20);
  }

  TEST_CASE("the thread tells what is due, page by page, and after a restart") {
    CommandFixture f;
    f.open();
    std::vector<model::Command> commands;
    for (int i = 0; i < 700; ++i) {
      commands.push_back(f.command("d" + std::to_string(i % 3)));
      f.submit(CommandCreation{commands.back(), {}, 0});
    }
    for (int i = 0; i < 700; ++i) {
      REQUIRE(f.ears.next().status == CommandLogStatus::logged);
    }
    f.clock_ms += 59'999;
    f.log->poke();
    f.open();
    f.created("later");
    CHECK_FALSE(f.ears.heard_due());
    f.clock_ms += 1;
    f.log->poke();
    std::set<Uuid> told;
    while (told.size() < 700) {
      const auto page = f.ears.next_due();
      CHECK(page.size() <= 256);
      for (const auto& record : page) {
        CHECK(told.insert(record.command.id).second);
        CHECK(record.command.expires_ms <= f.clock_ms);
        f.finish(record.command, CommandState::expired);
      }
    }
    CHECK(f.log->open_commands() == 1);
  }

  TEST_CASE("without a poke the thread wakes by itself") {
    CommandFixture f;
    f.options.now_ms = nullptr;
    f.clock_ms = wall_ms();
    f.open();
    const auto command = f.created("d", model::CommandPriority::normal, 20);
    CHECK(ids_of(f.ears.next_due()) == std::set<Uuid>{command.id});
    CHECK(wall_ms() >= command.expires_ms);
  }
}

TEST_SUITE("history of commands") {
  template <class Until>
  void poke_until(CommandFixture & f, Until until) {
    f.log->poke();
    while (!until()) {
      std::this_thread::yield();
    }
  }

  TEST_CASE("the oldest go when there are too many, with all that belongs to them") {
    CommandFixture f;
    f.options.history_max = 100;
    f.open();
    std::vector<model::Command> commands;
    for (int i = 0; i < 300; ++i) {
      commands.push_back(f.command());
      f.create(commands.back(), "key" + std::to_string(i), 1);
      f.finish(commands.back());
      ++f.clock_ms;
    }
    const auto open = f.created();
    poke_until(f, [&] { return f.log->stats().history == 100; });
    for (const bool restarted : {false, true}) {
      CAPTURE(restarted);
      CHECK(f.log->list({"d", {}, 1000, std::nullopt})->commands.size() == 101);
      CHECK_FALSE(f.find(commands[199]));
      CHECK(f.find(commands[200]));
      CHECK(f.find(open));
      f.open();
    }
    f.log.reset();
    auto database = CommandDatabase::open(f.options.directory, nullptr, false, [](const auto&) {});
    REQUIRE(database);
    CHECK_FALSE(*(*database)->key("key199"));
    CHECK(*(*database)->key("key200"));
    CHECK((*database)->totals()->history == 100);
  }

  TEST_CASE("a final command is kept for its time, and not longer, also over a restart") {
    CommandFixture f;
    f.options.history_ms = 10'000;
    f.open();
    std::vector<model::Command> commands;
    for (int i = 0; i < 200; ++i) {
      commands.push_back(f.created("d", model::CommandPriority::normal, 1'000'000));
    }
    for (int i = 0; i < 199; ++i) {
      f.finish(commands[static_cast<std::size_t>(i)]);
      f.clock_ms += i == 98 ? 5000 : 0;
    }
    f.open();
    f.clock_ms += 4999;
    f.log->poke();
    f.created("other");
    CHECK(f.log->stats().history == 199);
    f.clock_ms += 1;
    poke_until(f, [&] { return f.log->stats().history == 100; });
    CHECK_FALSE(f.find(commands[98]));
    CHECK(f.find(commands[99]));
    f.open();
    f.clock_ms += 5000;
    poke_until(f, [&] { return f.log->stats().history == 0; });
    CHECK(f.log->open_commands() == 2);
    CHECK(f.find(commands[199]));
  }

  TEST_CASE("removed entries are not read over again") {
    Agenda a;
    a.f.options.history_ms = 0;
    CommandHistory history(a.f.options);
    history.opened();
    const auto step = [&] {
      rocksdb::WriteBatch batch;
      REQUIRE(history.step(*a.database, a.now_ms, a.totals, batch));
      REQUIRE(a.database->write(batch, false).ok());
      history.stepped();
    };
    step();
    CHECK(history.wake_ms() == INT64_MAX);
    for (int i = 0; i < 100; ++i) {
      a.finish(a.create(1000));
    }
    history.ended(a.now_ms);
    step();
    CHECK(a.totals.history == 36);
    CHECK(history.wake_ms() == a.now_ms);
    step();
    CHECK(a.totals.history == 0);
    CHECK(history.wake_ms() == INT64_MAX);
    a.now_ms -= 10'000; // The clock goes back.
    a.finish(a.create(1000));
    history.ended(a.now_ms);
    CHECK(history.due(a.totals, a.now_ms));
    step();
    CHECK(a.totals.history == 0);
  }
}
