// Spate - an open data directory: its database and the memory rebuilt from it. Thrown away when a
// write fails.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "engine/model/shape.hpp"
#include "storage/commit_builder.hpp"
#include "storage/directory_state.hpp"
#include "storage/log_windows.hpp"
#include "storage/rocks_options.hpp"
#include "storage/store.hpp"

namespace spate::storage {

struct LiveOptions {
  std::string path; ///< Of the database.
  std::string name; ///< Of the data directory, for people.
  Durability durability = Durability::fsync;
  SealPolicy policy;
  CommitLimits limits;
  RocksLimits rocks;
  std::uint64_t rejections_max = 100'000;
  std::size_t recent_keys_max = 1u << 20;
  bool create = true;          ///< False: a database that is not there is an error.
  rocksdb::Env* env = nullptr; ///< Tests only.
};

/// A device as one reader sees it: its unsealed rows and the database at the same moment.
struct DeviceView {
  struct Shape {
    std::uint32_t number = 0;
    const model::Shape* shape = nullptr;
  };
  struct TailCopy {
    std::uint32_t shape = 0;
    std::string bytes;
  };
  std::uint32_t device = 0;
  std::vector<Shape> shapes;
  std::vector<TailCopy> tails;
  std::shared_ptr<const rocksdb::Snapshot> snapshot;
};

/// Thread: commit() and seal-related calls are the committer's; view(), seen(), database() any
/// thread's, as
///         long as the owner keeps the object open.
class LiveDirectory {
public:
  using ErrorHandler = std::function<void(const rocksdb::Status&)>;

  /// Opens or creates the database and replays its log. `earlier` (may be null) is the device table
  /// from before a failure: its numbers are known to loops, so they keep their meaning. `on_error`
  /// hears of failures in the background. Errors: storage_io, storage_full, storage_corrupt.
  static Result<std::unique_ptr<LiveDirectory>>
  open(const LiveOptions& options, model::ShapeTable& shapes, const DeviceTable* earlier,
       std::atomic<std::uint64_t>& devices_total, ErrorHandler on_error);
  ~LiveDirectory();
  LiveDirectory(const LiveDirectory&) = delete;
  LiveDirectory& operator=(const LiveDirectory&) = delete;

  /// One turn in two steps. build() decides the outcome of each row; write() makes it durable and
  /// visible. After a failure of either nothing more may be committed here.
  Result<void> build(const Blocks& blocks, std::int64_t now_ms);
  rocksdb::Status write();
  /// Makes durable what was written so far.
  rocksdb::Status sync();
  /// What the last build() decided.
  [[nodiscard]] const CommitBuilder& last() const noexcept { return builder_; }
  /// Duration of the last write(); 0 if it had nothing to write.
  [[nodiscard]] std::uint64_t last_write_us() const noexcept { return last_write_us_; }

  [[nodiscard]] bool aged(std::int64_t now_ms) const noexcept { return state_.aged(now_ms); }
  /// The table to hand to the next open(); this object is closed next.
  [[nodiscard]] DeviceTable take_devices();
  /// Rows and bytes in tails, devices, shapes. Any thread.
  void add_to(StoreStats& stats) const;

  /// Null if the device is unknown.
  [[nodiscard]] std::unique_ptr<DeviceView> view(const std::string& device) const;
  /// Whether the device has rows or was seen, durably. Any thread, a loop's too.
  [[nodiscard]] bool knows(std::string_view device) const;
  /// Receive time of the newest record of each device number given, in place. Any thread.
  void last_seen(const std::vector<std::uint32_t>& numbers, std::vector<std::int64_t>& out) const;
  /// Kept entries of the rejection ring, as of the last commit. Any thread.
  [[nodiscard]] RejectionRing::Range rejections() const;
  [[nodiscard]] rocksdb::DB& database() const noexcept { return *db_; }
  [[nodiscard]] const Families& families() const noexcept { return families_; }

private:
  LiveDirectory(const LiveOptions& options, std::atomic<std::uint64_t>& devices_total);

  Result<void> open_database(RocksOptions& options, std::vector<std::uint64_t>& ids,
                             std::vector<rocksdb::ColumnFamilyHandle*>& handles);
  Result<void> load_meta(model::ShapeTable& shapes);
  Result<void> load_entry(std::string_view key, std::string_view value, model::ShapeTable& shapes);
  Result<void> replay(std::size_t index, rocksdb::ColumnFamilyHandle* window);
  Result<void> replay_commit(std::string_view commit, bool first);
  void restore_devices(const DeviceTable& earlier);
  void flush_small_families();
  void publish_snapshot(); ///< Mutex held.

  const LiveOptions options_;
  std::atomic<std::uint64_t>& devices_total_;
  std::unique_ptr<rocksdb::DB> db_;
  Families families_;
  DirectoryState state_;
  RejectionRing ring_;
  RejectionRing::Range ring_visible_; ///< Under the state's mutex.
  std::unique_ptr<LogWindows> windows_;
  std::shared_ptr<const rocksdb::Snapshot> snapshot_; ///< Under the state's mutex.
  CommitBuilder builder_;
  ErrorHandler on_error_;
  std::uint64_t last_write_us_ = 0;
  std::uint32_t shapes_used_ = 0; ///< Highest number that a device refers to.
};

} // namespace spate::storage
