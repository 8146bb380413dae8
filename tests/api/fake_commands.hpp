// Commands that a test answers for, and a log in memory for lists.
#pragma once

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "actors/commands.hpp"

namespace spate::api {

/// A command of device "d" that was created at 1,000 ms; `nth` orders their ids.
inline model::CommandRecord command_record(unsigned nth, model::CommandState state,
                                           std::string device = "d") {
  model::CommandRecord record;
  record.command.id.bytes[0] = static_cast<unsigned char>(nth >> 8);
  record.command.id.bytes[1] = static_cast<unsigned char>(nth);
  record.command.device = std::move(device);
  record.command.name = "set-interval";
  record.command.args = R"({"seconds":1.50})";
  record.command.created_ms = 1000;
  record.command.expires_ms = 6000;
  record.progress.state = state;
  if (state != model::CommandState::queued) {
    record.progress.sent_ms = 1002;
  }
  if (model::is_final(state)) {
    record.progress.completed_ms = 1021;
    record.progress.total_us = 21'120;
    record.progress.result = R"({"seconds":1.50})";
  }
  return record;
}

class MemoryCommandLog final : public storage::CommandLog {
public:
  bool submit(std::uint64_t, storage::CommandEntry) override { return false; }
  std::uint64_t open_commands() const noexcept override { return 0; }
  std::optional<std::string> fault() const override { return std::nullopt; }
  storage::CommandLogStats stats() const override { return {}; }
  Result<std::optional<model::CommandRecord>> find(const std::string&, const Uuid&) override {
    return std::optional<model::CommandRecord>{};
  }
  /// Looks at `looks_max` commands a call at most, as a log does that must not read for ever.
  Result<storage::CommandPage> list(const storage::CommandQuery& query) override {
    const std::scoped_lock lock(mutex);
    limit_max = std::max(limit_max, query.limit);
    if (fails) {
      return fail(Errc::storage_unavailable, "The command log is being reopened.");
    }
    storage::CommandPage page;
    std::size_t looks = 0;
    for (auto at = records.rbegin(); at != records.rend(); ++at) {
      if (at->command.device != query.device ||
          (query.before && !(at->command.id < *query.before))) {
        continue;
      }
      if (page.commands.size() == query.limit || looks == looks_max) {
        page.more = true;
        break;
      }
      ++looks;
      page.position = at->command.id;
      if (query.states.empty() || std::find(query.states.begin(), query.states.end(),
                                            at->progress.state) != query.states.end()) {
        page.commands.push_back(*at);
      }
    }
    return page;
  }
  Result<void> with_database(const storage::DatabaseUser&) override { return {}; }
  void poke() override {}
  void stop() override {}

  std::mutex mutex;
  std::vector<model::CommandRecord> records; ///< Oldest first.
  std::size_t looks_max = 1000;
  std::size_t limit_max = 0; ///< The largest that was asked for.
  bool fails = false;
};

class FakeCommands final : public actors::Commands {
public:
  void create(actors::CommandRequest request, actors::CommandDone done) override {
    {
      const std::scoped_lock lock(mutex);
      requests.push_back(std::move(request));
    }
    settle(std::move(done));
  }
  void find(std::string_view, const Uuid& id, std::int64_t wait_ms,
            actors::CommandDone done) override {
    {
      const std::scoped_lock lock(mutex);
      asked_for = id;
      asked_wait_ms = wait_ms;
    }
    settle(std::move(done));
  }
  void cancel(std::string_view, const Uuid& id, actors::CommandDone done) override {
    {
      const std::scoped_lock lock(mutex);
      asked_for = id;
    }
    settle(std::move(done));
  }
  bool is_ready(std::string_view device) const override {
    const std::scoped_lock lock(mutex);
    return ready.count(std::string(device)) != 0;
  }
  storage::CommandLog& log() noexcept override { return memory; }
  bool before_poll() override {
    ++polls;
    return false;
  }
  void after_poll() override { ++polled; }
  void between_reads() override { ++between; }
  /// As the router does at the stop: who waits hears the state of now.
  void drain() override {
    actors::CommandReply now;
    {
      const std::scoped_lock lock(mutex);
      draining = true;
      now = {actors::CommandResult::draining, reply.record, false, {}};
    }
    finish(now);
  }
  bool drained() const noexcept override {
    const std::scoped_lock lock(mutex);
    return draining && waiting.empty();
  }

  /// What the next calls are told.
  void tell(actors::CommandReply next) {
    const std::scoped_lock lock(mutex);
    reply = std::move(next);
  }
  /// Answers who waits; on the loop.
  void finish(const actors::CommandReply& with) {
    std::vector<actors::CommandDone> told;
    {
      const std::scoped_lock lock(mutex);
      told.swap(waiting);
    }
    for (const actors::CommandDone& done : told) { // They may ask is_ready().
      done(with);
    }
  }
  actors::CommandRequest last() const {
    const std::scoped_lock lock(mutex);
    return requests.empty() ? actors::CommandRequest{} : requests.back();
  }
  std::size_t created() const {
    const std::scoped_lock lock(mutex);
    return requests.size();
  }
  std::size_t held() const {
    const std::scoped_lock lock(mutex);
    return waiting.size();
  }

  mutable std::mutex mutex;
  actors::CommandReply reply{
      actors::CommandResult::ok, command_record(1, model::CommandState::queued), false, {}};
  bool hold = false; ///< Answers come with finish().
  bool draining = false;
  std::vector<actors::CommandDone> waiting;
  std::vector<actors::CommandRequest> requests;
  std::set<std::string> ready;
  Uuid asked_for;
  std::int64_t asked_wait_ms = -1;
  MemoryCommandLog memory;
  std::atomic<unsigned> polls{0};
  std::atomic<unsigned> polled{0};
  std::atomic<unsigned> between{0};

private:
  void settle(actors::CommandDone done) {
    actors::CommandReply now;
    {
      const std::scoped_lock lock(mutex);
      if (hold) {
        waiting.push_back(std::move(done));
        return;
      }
      now = reply;
    }
    done(std::move(now)); // It may ask is_ready().
  }
};

} // namespace spate::api
