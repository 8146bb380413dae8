// Spate - the store of sessions at work: its thread, its failures and its return from them.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "engine/base/log.hpp"
#include "storage/client_filter.hpp"
#include "storage/reopening_database.hpp"
#include "storage/session_codec.hpp"
#include "storage/session_group.hpp"
#include "storage/session_queue.hpp"
#include "storage/session_store.hpp"

namespace spate::storage {

/// Flow:    submit() -> queue -> thread: decide, WriteBatch, write or sync -> listener. Beside
///          that: what the clock brings, and wills.
/// Wills:   one that goes out is written first, then told, then removed with the next group, which
///          holds what of it is to be kept.
/// Failure: see SessionStore; everything happens on the thread, in recover().
/// Locks:   as ReopeningDatabase; the queue's is a leaf.
class SessionThread final : public SessionStore, private ReopeningDatabase {
public:
  SessionThread(SessionStoreOptions options, SessionListener& listener);
  ~SessionThread() override;

  /// As SessionStore::open().
  Result<void> start();

  void begin() override {
    may_tell_.store(true, std::memory_order_release);
    queue_.poke();
  }
  [[nodiscard]] bool submit(std::uint64_t ticket, std::vector<SessionEntry>&& entries) override;
  [[nodiscard]] bool may_keep(std::string_view client_id) const noexcept override {
    return !restored() || clients_.may_hold(client_id);
  }
  [[nodiscard]] bool has_retained() const noexcept override {
    return has_retained_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::optional<std::string> fault() const override { return fault_text(); }
  [[nodiscard]] SessionStoreStats stats() const override;
  Result<void> with_database(const DatabaseUser& use) override;
  void poke() override { queue_.poke(); }
  void stop() override;

private:
  using Steps = SessionQueue::Entries;
  using Receipts = std::vector<SessionReceipt>;
  /// What was refused and comes true all the same once the database is open again: a connection is
  /// gone, a message was acknowledged, an opening (its client id) did not come about.
  using Kept = std::variant<SessionClosing, SessionSettling, std::string>;
  static constexpr std::size_t kKeptMax = 1'000'000;

  Result<void> open_database(bool create) override;
  void close_database() override;
  void refuse_until(Clock::time_point until, const Refusal& refusal) override;
  [[nodiscard]] bool stopping() const override { return queue_.stopping(); }
  void wake() override { queue_.poke(); }

  /// The sessions that were kept are known.
  [[nodiscard]] bool restored() const noexcept { return restored_.load(std::memory_order_acquire); }
  void run();
  void finish_run();
  [[nodiscard]] Clock::time_point wake_at() const;
  /// False if the database failed: then everything is answered and it is open again, or stopping.
  bool answer(Steps& steps);
  /// From `begin` on; moves it.
  bool answer_turn(Steps& steps, std::size_t& begin);
  void add_pending(SessionGroup& group);
  /// The rest false as answer().
  bool run_timers();
  bool tell_wills();
  rocksdb::Status write(SessionGroup& group);
  void settle(SessionGroup& group);
  void set_totals(const SessionTotals& totals);
  void recover(const rocksdb::Status& status, Steps& steps, std::size_t begin);
  /// `in_doubt`: some of it may be on disk.
  void refuse(Steps& steps, std::size_t begin, const Refusal& refusal, bool in_doubt);
  static Receipts refusals(const Steps& steps, std::size_t begin, const Refusal& refusal);

  const SessionStoreOptions options_;
  SessionListener& listener_;
  SessionQueue queue_;
  const std::function<std::int64_t()> now_ms_;
  std::unique_ptr<rocksdb::DB> db_; ///< Under open_mutex_.
  std::atomic<bool> has_retained_{false};
  std::atomic<bool> restored_{false};
  std::atomic<bool> may_tell_{false}; ///< begin() was called.
  ClientFilter clients_;

  // The thread's.
  SessionTotals totals_;
  SessionTimers timers_;
  RecentlyQueued recent_;
  std::int64_t wake_ms_ = 0;    ///< run_timers() has nothing to do before.
  bool wills_wait_ = true;      ///< There may be wills to be told,
  std::uint64_t last_told_ = 0; ///< behind this one.
  /// Wills that were told: what is to be kept of each, and its number.
  std::vector<std::pair<std::uint64_t, SessionPublishing>> told_;
  std::vector<Kept> kept_;
  log::RateLimit damage_lines_;

  SessionStoreStats stats_; ///< Under status_mutex_.

  std::mutex stop_mutex_;
  std::thread thread_;
};

} // namespace spate::storage
