// Spate - a command log in a temporary directory, its listener, and short words for tests.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "storage/command_log.hpp"
#include "tests/storage/store_fixture.hpp"

namespace spate::storage::test {

class CommandEars final : public CommandLogListener {
public:
  void on_logged(std::vector<CommandReceipt> receipts) override {
    const std::scoped_lock lock(mutex_);
    for (CommandReceipt& receipt : receipts) {
      receipts_.push_back(std::move(receipt));
    }
    heard_.notify_all();
  }
  void on_due(std::vector<model::CommandRecord> due) override {
    const std::scoped_lock lock(mutex_);
    due_.push_back(std::move(due));
    heard_.notify_all();
  }
  CommandReceipt next() {
    std::unique_lock lock(mutex_);
    heard_.wait(lock, [this] { return !receipts_.empty(); });
    CommandReceipt receipt = std::move(receipts_.front());
    receipts_.pop_front();
    return receipt;
  }
  std::vector<model::CommandRecord> next_due() {
    std::unique_lock lock(mutex_);
    heard_.wait(lock, [this] { return !due_.empty(); });
    auto due = std::move(due_.front());
    due_.pop_front();
    return due;
  }
  bool heard_due() {
    const std::scoped_lock lock(mutex_);
    return !due_.empty();
  }
  std::size_t receipts() {
    const std::scoped_lock lock(mutex_);
    return receipts_.size();
  }

private:
  std::mutex mutex_;
  std::condition_variable heard_;
  std::deque<CommandReceipt> receipts_;
  std::deque<std::vector<model::CommandRecord>> due_;
};

struct CommandFixture {
  TempDir dir;
  std::atomic<std::int64_t> clock_ms{1'700'000'000'000};
  CommandLogOptions options;
  CommandEars ears;
  UuidSource ids{1};
  std::uint64_t next_ticket = 1;
  std::unique_ptr<CommandLog> log;

  CommandFixture() {
    options.directory = dir.sub("commands");
    options.durability = Durability::os; // Tests of the fsync itself say so.
    options.now_ms = [this] { return clock_ms.load(); };
  }
  Result<void> try_open() {
    log.reset();
    auto opened = CommandLog::open(options, ears);
    if (!opened) {
      return fail(std::move(opened.error()));
    }
    log = std::move(*opened);
    return {};
  }
  void open() {
    if (const auto opened = try_open(); !opened) {
      FAIL(opened.error().detail);
    }
  }

  model::Command command(const std::string& device = "d",
                         model::CommandPriority priority = model::CommandPriority::normal,
                         std::int64_t ttl_ms = 60'000) {
    model::Command out;
    out.id = ids.next(clock_ms);
    out.device = device;
    out.name = "restart";
    out.args = R"({"in":5})";
    out.priority = priority;
    out.if_offline = model::IfOffline::queue;
    out.created_ms = clock_ms;
    out.expires_ms = clock_ms + ttl_ms;
    return out;
  }
  std::uint64_t submit(CommandEntry entry) {
    REQUIRE(log->submit(next_ticket, std::move(entry)));
    return next_ticket++;
  }
  CommandReceipt ask(CommandEntry entry) {
    const auto ticket = submit(std::move(entry));
    CommandReceipt receipt = ears.next();
    REQUIRE(receipt.ticket == ticket);
    return receipt;
  }
  CommandReceipt create(const model::Command& command, std::string key = {},
                        std::uint64_t hash = 0) {
    return ask(CommandCreation{command, std::move(key), hash});
  }
  model::Command created(const std::string& device = "d",
                         model::CommandPriority priority = model::CommandPriority::normal,
                         std::int64_t ttl_ms = 60'000) {
    const auto made = command(device, priority, ttl_ms);
    REQUIRE(create(made).status == CommandLogStatus::logged);
    return made;
  }
  static model::CommandProgress progress(model::CommandState state, std::string reason = {}) {
    model::CommandProgress out;
    out.state = state;
    out.sent_ms = state >= model::CommandState::sent ? 11 : 0;
    out.delivered_ms = state >= model::CommandState::delivered ? 12 : 0;
    if (model::is_final(state)) {
      out.completed_ms = 13;
      out.total_us = 14;
      out.result = R"({"ok":true})";
    }
    out.reason = std::move(reason);
    return out;
  }
  static CommandUpdate update(const model::Command& command, model::CommandState state,
                              bool sync = true, std::string reason = {}) {
    return {command.device, command.id, progress(state, std::move(reason)), sync};
  }
  void finish(const model::Command& command,
              model::CommandState state = model::CommandState::succeeded) {
    REQUIRE(ask(update(command, state)).status == CommandLogStatus::logged);
  }
  std::optional<model::CommandRecord> find(const model::Command& command) {
    auto found = log->find(command.device, command.id);
    if (!found) {
      FAIL(found.error().detail);
    }
    return std::move(*found);
  }
  /// Until entries are taken again.
  void create_until_logged(const model::Command& command) {
    for (;;) {
      const auto status = create(command).status;
      if (status == CommandLogStatus::logged || status == CommandLogStatus::replayed) {
        return;
      }
      std::this_thread::yield();
    }
  }
  std::vector<Uuid> open_of(const std::string& device) {
    std::vector<Uuid> out;
    const auto receipt = ask(CommandPageLoad{device, std::nullopt, 10'000});
    CHECK_FALSE(receipt.more);
    for (const auto& record : receipt.page) {
      out.push_back(record.command.id);
    }
    return out;
  }
};

} // namespace spate::storage::test
