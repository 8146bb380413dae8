// Spate - how a small database with a thread of its own fails and comes back.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "storage/reopen_pause.hpp"
#include "storage/store.hpp"

namespace spate::storage {

/// Base of the thread of such a database.
///
/// Thread:  fault(), with_database(), on_background_error() from any; the rest is the database's.
/// Failure: after a failed write or sync everything that waits is refused, the database is closed
///          and opened again with growing pauses. Nothing is tried again on the open one: a second
///          fdatasync may report success for what the first one lost.
/// Locks:   open_mutex_ before status_mutex_, which is a leaf.
class ReopeningDatabase {
public:
  using Clock = std::chrono::steady_clock;
  /// Why entries are refused.
  struct Refusal {
    bool disk_full = false;
    std::string why;
  };

  // Of what one group takes, so that receipts are not delayed and a batch stays small.
  static constexpr std::size_t kTurnEntriesMax = 4096;
  static constexpr std::size_t kTurnBytesMax = 4u << 20;

  ReopeningDatabase(const ReopeningDatabase&) = delete;
  ReopeningDatabase& operator=(const ReopeningDatabase&) = delete;

protected:
  /// `event` begins the names of log lines ("command-log"), `name` is for people ("the command
  /// log").
  ReopeningDatabase(std::string directory, std::string event, std::string name);
  virtual ~ReopeningDatabase() = default;

  virtual Result<void> open_database(bool create) = 0;
  virtual void close_database() = 0;
  /// Refuses what waits and what comes until then, or until the thread is to stop.
  virtual void refuse_until(Clock::time_point until, const Refusal& refusal) = 0;
  [[nodiscard]] virtual bool stopping() const = 0;

  /// The first opening. A database that was used before and can not be opened for want of space
  /// does not fail: then starts_closed(), and the thread begins with reopen().
  Result<void> open_first();
  [[nodiscard]] bool starts_closed() const noexcept { return starts_closed_; }

  /// When the thread is to wake up for what is due at `due_ms` of the wall clock; INT64_MAX:
  /// nothing.
  [[nodiscard]] static Clock::time_point wake_time(std::int64_t due_ms, std::int64_t now_ms);
  /// At a clean stop, which keeps everything, whatever was promised: `write` is given an empty
  /// batch to write and sync.
  void sync_last(Durability promised,
                 const std::function<rocksdb::Status(rocksdb::WriteBatch&)>& write) const;

  [[nodiscard]] static Refusal refusal_of(const rocksdb::Status& status);
  [[nodiscard]] static const Refusal& stopping_refusal();
  /// Says that it failed. The caller refuses what it took, then calls reopen_after_pause().
  void failed(const Refusal& refusal);
  void reopen_after_pause(const Refusal& refusal);
  /// Tries until it works or the thread is to stop.
  void reopen();

  void on_background_error(const rocksdb::Status& status);
  [[nodiscard]] std::optional<rocksdb::Status> take_background_error();
  virtual void wake() = 0;

  [[nodiscard]] std::optional<std::string> fault_text() const;
  void set_fault(std::optional<std::string> fault);
  [[nodiscard]] tl::unexpected<Error> closed() const;
  [[nodiscard]] std::uint64_t reopens() const noexcept {
    return reopens_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool is_open() const noexcept { return is_open_.load(std::memory_order_acquire); }

  const std::string directory_;
  mutable std::shared_mutex open_mutex_; ///< Held shared by readers, alone while it changes.
  std::atomic<bool> is_open_{false};     ///< False: readers turn away; long ones give up.
  mutable std::mutex status_mutex_;

private:
  const std::string event_;
  const std::string name_;
  std::optional<std::string> fault_;
  std::optional<rocksdb::Status> background_error_;
  std::atomic<std::uint64_t> reopens_{0};
  ReopenPause pause_;
  bool starts_closed_ = false;
};

} // namespace spate::storage
