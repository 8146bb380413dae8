// Spate - the command log at work: its thread, its failures and its return from them.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/log.hpp"
#include "storage/command_database.hpp"
#include "storage/command_due.hpp"
#include "storage/command_group.hpp"
#include "storage/command_history.hpp"
#include "storage/command_log.hpp"
#include "storage/command_queue.hpp"
#include "storage/reopening_database.hpp"

namespace spate::storage {

/// Flow:    submit() -> queue -> thread: decide, WriteBatch, write or sync, load -> listener. While
///          nothing waits: what is due, and removal of history.
/// Failure: see CommandLog; everything happens on the thread, in recover().
/// Locks:   as ReopeningDatabase; the queue's is a leaf.
class CommandThread final : public CommandLog, private ReopeningDatabase {
public:
  CommandThread(CommandLogOptions options, CommandLogListener& listener);
  ~CommandThread() override;

  /// As CommandLog::open().
  Result<void> start();

  [[nodiscard]] bool submit(std::uint64_t ticket, CommandEntry entry) override;
  [[nodiscard]] std::uint64_t open_commands() const noexcept override {
    return open_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::optional<std::string> fault() const override { return fault_text(); }
  [[nodiscard]] CommandLogStats stats() const override;
  Result<std::optional<model::CommandRecord>> find(const std::string& device,
                                                   const Uuid& id) override;
  Result<CommandPage> list(const CommandQuery& query) override;
  Result<void> with_database(const DatabaseUser& use) override;
  void poke() override { queue_.poke(); }
  void stop() override;

private:
  using Receipts = std::vector<CommandReceipt>;
  static constexpr std::size_t kKeptMax = 100'000;

  Result<void> open_database(bool create) override;
  void close_database() override;
  void refuse_until(Clock::time_point until, const Refusal& refusal) override;
  [[nodiscard]] bool stopping() const override { return queue_.stopping(); }
  void wake() override { queue_.poke(); }
  void run();
  [[nodiscard]] CommandQueue::Clock::time_point wake_at() const;

  /// False if the database failed: then everything is answered and it is open again, or stopping.
  bool answer(WaitingEntries& entries);
  bool answer_turn(WaitingEntries& entries, std::size_t begin, std::size_t end);
  rocksdb::Status write(CommandGroup& group);
  void settle(const CommandGroup& group);
  void load(const WaitingEntry& waiting, CommandReceipt& receipt);
  void report_damage(const std::string& detail);
  void refuse(WaitingEntries& entries, std::size_t begin, const Refusal& refusal);
  [[nodiscard]] bool write_kept();
  static Receipts refusals(const WaitingEntries& entries, std::size_t begin,
                           const Refusal& refusal);
  /// All the rest false as answer().
  bool tell_due();
  bool remove_history();

  void recover(const rocksdb::Status& status, WaitingEntries& entries, std::size_t begin);
  void set_totals(const CommandTotals& totals);

  const CommandLogOptions options_;
  CommandLogListener& listener_;
  CommandQueue queue_;
  const std::function<std::int64_t()> now_ms_;

  std::unique_ptr<CommandDatabase> database_;
  std::atomic<std::uint64_t> open_{0};
  std::atomic<std::uint64_t> history_count_{0};

  // The thread's.
  CommandTotals totals_;
  CommandDue due_;
  CommandHistory history_;
  log::RateLimit damage_lines_;
  std::vector<CommandUpdate> kept_; ///< Refused, and written once the log is open again.

  CommandLogStats stats_; ///< Counts and times only; under status_mutex_.

  std::mutex stop_mutex_;
  std::thread thread_;
};

} // namespace spate::storage
