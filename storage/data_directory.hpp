// Spate - one data directory at work: its committer thread, its failures and its return from them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/base/result.hpp"
#include "storage/commit_queue.hpp"
#include "storage/directory_format.hpp"
#include "storage/live_directory.hpp"
#include "storage/long_work.hpp"
#include "storage/reopen_pause.hpp"
#include "storage/store.hpp"
#include "storage/store_internals.hpp"

namespace spate::storage {

struct DataDirectoryOptions {
  std::string path;
  LiveOptions live;
  std::uint64_t disk_free_min_bytes = 0; ///< As StoreOptions.
  std::uint32_t commit_interval_us = 0;  ///< As StoreOptions.
  StoreInternals internals;
};

/// Flow:    submit() -> queue -> committer: build, write, sync, apply -> receipts.
/// Thread:  one committer; submit(), health(), add_to() from any thread and never wait for the
/// disk; reads
///          from any thread that may wait.
/// Failure: after a failed write or sync everything queued is refused, the database is closed and
/// opened
///          again with growing pauses, on the committer's thread. Nothing is retried on the open
///          database: a second fdatasync may report success for data that the first one lost.
/// Locks:   open_mutex_ before LiveDirectory's own; status_mutex_ and the queue's mutex are leaves.
class DataDirectory final : private LongWorkHost {
public:
  /// `devices_total` counts over all data directories. Blocks until the log is replayed. A database
  /// that is there and can not be opened gives a directory that refuses blocks and goes on trying:
  /// others are not to wait for it. Errors of a new one: storage_io, storage_full, storage_corrupt.
  static Result<std::unique_ptr<DataDirectory>> open(DataDirectoryOptions options,
                                                     DirectoryLock lock, model::ShapeTable& shapes,
                                                     std::atomic<std::uint64_t>& devices_total);
  ~DataDirectory() override;
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  void submit(std::unique_ptr<model::TelemetryBlock> block) { queue_.submit(std::move(block)); }
  /// Why open() has left it closed; nothing if it is open. Before the first submit().
  [[nodiscard]] const std::optional<Error>& open_error() const noexcept { return open_error_; }
  [[nodiscard]] std::size_t queued_bytes() const noexcept { return queue_.bytes(); }
  /// As Store::knows(). Never waits: while the database is opened or closed it is unavailable.
  [[nodiscard]] Result<bool> knows(std::string_view device) const;
  /// Empty while blocks are taken, else why not.
  [[nodiscard]] std::string fault() const;
  void add_to(StoreStats& stats) const;

  /// As Store::with_databases().
  Result<void> with_database(const DatabaseUser& use);
  Result<ScanPage> scan(const ScanRequest& request);
  Result<ScanPage> last(const std::string& device);
  /// As LiveDirectory::lasts().
  Result<LastPage> lasts(const LastRequest& request, std::uint32_t& after);
  Result<AggregatePage> aggregate(const AggregateRequest& request);
  Result<LogPage> log(const LogRequest& request);
  /// As Store, of this directory.
  Result<Operation> erase(const EraseRequest& request) { return work_->erase(request); }
  /// Error: storage_unavailable while it is closed.
  Result<void> check_open() {
    return with_open([](LiveDirectory&) { return Result<void>(); });
  }
  Result<Operation> compact(const Uuid& id) { return work_->compact(id); }
  Result<Operation> check(const Uuid& id) { return work_->check(id); }
  Result<std::optional<Operation>> operation(const Uuid& id);
  /// Whether an operation here was made with this key. False while it is closed.
  [[nodiscard]] bool uses_key(const std::string& idempotency_key);
  Result<OperationPage> operations(const OperationQuery& query);
  Result<DevicePage> devices(const std::string& after, std::size_t limit);

  struct NumberedRejection {
    std::uint64_t number = 0;
    model::Rejection rejection;
  };
  struct Rejections {
    std::vector<NumberedRejection> entries; ///< Newest first.
    std::uint64_t dropped = 0;
    std::uint64_t next = 0; ///< Number that the next one gets.
  };
  /// At most `limit` entries below `below` that fit the query.
  Result<Rejections> rejections(const RejectionQuery& query, std::uint64_t below,
                                std::size_t limit);

  /// Commits and answers what was submitted, then closes. Idempotent.
  void stop();

private:
  DataDirectory(DataDirectoryOptions options, DirectoryLock lock, model::ShapeTable& shapes,
                std::atomic<std::uint64_t>& devices_total);

  // LongWorkHost
  Result<void> on_committer(const std::function<void(LiveDirectory&)>& change) override;
  Result<void> with_open(const std::function<Result<void>(LiveDirectory&)>& use) override;
  [[nodiscard]] std::int64_t now_ms() const override { return options_.internals.now_ms(); }
  [[nodiscard]] const std::string& name() const override { return options_.path; }
  /// Someone waits for the readers to leave.
  [[nodiscard]] bool closing() const noexcept override {
    return !open_.load(std::memory_order_acquire);
  }
  [[nodiscard]] double background_cpu_max() const noexcept override {
    return options_.live.fold_cpu_max;
  }

  struct Request {
    const std::function<void(LiveDirectory&)>* change;
    std::promise<Result<void>> done;
  };
  void run_requests();
  void refuse_requests(const std::string& reason);

  /// Refuses everything from the start.
  void stay_closed(const Error& error);
  Result<void> open_live(const DeviceTable* earlier, bool create);
  void run();
  void commit_taken();
  bool commit_turn();
  bool next_turn();
  void tick();
  void check_space();
  void check_used();
  void turn_away();
  static void add_counts(StoreStats& to, const StoreStats& from);
  /// Refuses everything, closes, and opens again as soon as that works. Returns at stop() too.
  void recover(std::string reason, bool no_space);
  void reopen(const DeviceTable* earlier, bool no_space);
  void on_background_error(const rocksdb::Status& status);
  [[nodiscard]] std::optional<rocksdb::Status> take_background_error();
  void set_fault(std::string fault);
  [[nodiscard]] std::uint64_t floor_bytes(const DiskSpace& space) const;
  [[nodiscard]] bool below_floor(std::string& why);
  /// Runs `read(live)` while the database is kept open. Error: storage_unavailable, or read's own.
  template <class T, class Read>
  Result<T> with_live(Read&& read);
  [[nodiscard]] tl::unexpected<Error> closed() const;

  const DataDirectoryOptions options_;
  const DirectoryLock lock_;
  model::ShapeTable& shapes_;
  std::atomic<std::uint64_t>& devices_total_;
  CommitQueue queue_;

  mutable std::shared_mutex
      open_mutex_; ///< Held shared while live_ is read, alone while it changes.
  std::unique_ptr<LiveDirectory> live_;
  /// Cleared under status_mutex_ too.
  std::atomic<bool> open_{false}; ///< False: readers turn away, and long reads are given up.

  // Committer.
  Blocks taken_;
  std::size_t taken_next_ = 0;
  Blocks turn_;
  std::vector<std::shared_ptr<Request>> running_; ///< Requests of the commit at hand.
  CommitQueue::Clock::time_point next_tick_{};
  CommitQueue::Clock::time_point next_used_{};
  ReopenPause pause_;
  std::optional<Error> open_error_; ///< Set before the thread starts.
  bool full_ = false;
  std::string full_reason_;

  mutable std::mutex status_mutex_;
  std::string fault_;
  std::optional<rocksdb::Status> background_error_;
  StoreStats stats_; ///< Counts only; those of databases that were closed since are in it.
  std::atomic<std::uint64_t> used_bytes_{0};
  std::vector<std::shared_ptr<Request>> requests_;

  std::mutex stop_mutex_;
  std::thread thread_;
  std::unique_ptr<LongWork> work_;
};

} // namespace spate::storage
