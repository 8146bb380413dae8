// Spate - an open data directory: its database and the memory rebuilt from it. Thrown away when a
// write fails.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rocksdb/db.h>

#include "engine/base/clock.hpp"
#include "engine/base/result.hpp"
#include "engine/model/shape.hpp"
#include "storage/commit_builder.hpp"
#include "storage/device_view.hpp"
#include "storage/directory_state.hpp"
#include "storage/kept_log.hpp"
#include "storage/log_windows.hpp"
#include "storage/operation_book.hpp"
#include "storage/rocks_options.hpp"
#include "storage/sealed_blocks.hpp"
#include "storage/store.hpp"
#include "storage/store_check.hpp"

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
  std::size_t generation_bytes = 256u << 20; ///< As StoreInternals.
  std::int64_t fold_age_ms = 3'600'000;      ///< As StoreOptions,
  double fold_cpu_max = 0.25;                ///< and this.
  std::uint64_t kept_log_bytes_max = 0;      ///< As StoreOptions::log_retention_bytes,
  std::int64_t kept_log_age_ms = 0;          ///< and log_retention_s.
  std::function<bool()> disk_scarce;         ///< As KeptLogOptions. Any thread.
  std::function<std::int64_t()> now_ms = wall_ms;
  bool create = true;          ///< False: a database that is not there is an error.
  rocksdb::Env* env = nullptr; ///< Tests only.
};

/// Thread: what changes it is the committer's; what reads is any thread's, as long as the owner
/// keeps the object open.
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
  /// Between commits, at least once a second: freezes what is due.
  void tick(bool busy);

  // For long work, between commits. Each asks for a commit to follow, empty if need be.

  /// The next commit records it and seals the device's tails; fills its number and sequence.
  /// Nothing if the device is unknown.
  std::optional<Erasure> erase(const std::string& device, std::int64_t from_ns, std::int64_t to_ns);
  /// The next commit, which has an entry, goes to a new log window if one is ready: false if not.
  bool rotate_log();
  /// From now on every commit seals some of the tails that hold rows up to commit `sequence`.
  void seal_through(std::uint64_t sequence) noexcept { state_.seal_through(sequence); }
  [[nodiscard]] bool sealed_through(std::uint64_t sequence) const noexcept {
    return state_.sealed_through(sequence);
  }
  [[nodiscard]] std::uint64_t sequence() const noexcept { return state_.sequence; }
  /// Freezes what is due. The next commit has an entry in the log if that lets a window go.
  void tick_log();
  /// The blocks sealed so far are to be folded.
  void freeze() noexcept { blocks_->freeze_soon(); }

  // For long work; any thread, waits for the disk.

  /// What is only in memory and the write-ahead log, but for the log windows.
  rocksdb::Status flush();
  /// Whether tick_log() would do something.
  [[nodiscard]] bool tick_helps() const;
  /// Number of the newest write. For readers_past().
  [[nodiscard]] std::uint64_t newest_write() const { return db_->GetLatestSequenceNumber(); }
  /// Whether all snapshots show that write: what it replaced in the register is seen by nobody.
  [[nodiscard]] bool readers_past(std::uint64_t write);
  /// Rewrites the register, so that its files hold nothing that was replaced in it before the
  /// oldest snapshot.
  rocksdb::Status rewrite_register();
  /// Files of tables that are not part of the database any more, but are on the disk: a reader or a
  /// backup holds them. Some may only be being written.
  Result<std::vector<std::string>> obsolete_tables() const;
  /// Takes out of `names` what is gone or part of the database; removes what nobody holds.
  Result<void> remove_obsolete(std::vector<std::string>& names) const;
  /// Writes its entry again: a flush that has nothing to write lets no write-ahead log go.
  rocksdb::Status renew_erasure(const Erasure& erasure);
  /// Its bytes are gone: it is not looked at any more.
  rocksdb::Status forget_erasure(std::uint32_t number);
  /// Numbers of the write-ahead logs that are not archived.
  Result<std::uint64_t> current_log() const;
  Result<std::uint64_t> oldest_log() const;
  /// Nothing of the log with a number below is kept any more.
  Result<void> drop_kept_log(std::uint64_t below);
  /// As Store::log(). Any thread.
  [[nodiscard]] Result<LogPage> log(const LogRequest& request) const;
  /// Null: none is kept.
  [[nodiscard]] const KeptLog* kept_log() const noexcept { return kept_log_.get(); }
  [[nodiscard]] OperationBook& operations() const noexcept { return *operations_; }
  [[nodiscard]] SealedBlocks& blocks() const noexcept { return *blocks_; }
  [[nodiscard]] const LogWindows& windows() const noexcept { return *windows_; }
  /// The table to hand to the next open(); this object is closed next.
  [[nodiscard]] DeviceTable take_devices();
  /// Rows and bytes in tails, devices, shapes. Any thread.
  void add_to(StoreStats& stats) const;

  /// Who owns the blocks of these numbers. Any thread.
  [[nodiscard]] BlockOwner owner(std::uint32_t device, std::uint32_t series) const;
  /// Null if the device is unknown.
  [[nodiscard]] std::unique_ptr<DeviceView> view(const std::string& device) const;
  /// As Store::last().
  Result<ScanPage> last(const std::string& device, const std::function<bool()>& cancelled) const;
  /// As Store::lasts(), of devices with a number above `after`; moves it to the last one looked at.
  Result<LastPage> lasts(const LastRequest& request, std::uint32_t& after) const;
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

  /// live_open.cpp: opening and replay.
  struct Opened {
    std::vector<std::pair<std::uint64_t, rocksdb::ColumnFamilyHandle*>> windows;
    std::vector<std::pair<std::uint64_t, rocksdb::ColumnFamilyHandle*>> generations;
    rocksdb::ColumnFamilyHandle* runs = nullptr;
    rocksdb::ColumnFamilyHandle* catalog = nullptr;
  };
  Result<Opened> open_database(const RocksOptions& options);
  Result<void> load(const RocksOptions& options, Opened opened, model::ShapeTable& shapes);
  Result<void> load_meta(model::ShapeTable& shapes);
  Result<void> load_entry(std::string_view key, std::string_view value, model::ShapeTable& shapes);
  Result<void> replay(std::size_t index, rocksdb::ColumnFamilyHandle* window);
  Result<void> start_kept_log(const Opened& opened);
  Result<void> replay_commit(std::string_view commit, bool first);
  void restore_devices(const DeviceTable& earlier);
  void flush_small_families();
  [[nodiscard]] DeviceView::Series series_of_tail(const Tail& tail) const;
  [[nodiscard]] bool newest_of(const Device& device, const Tail& main, RowView& newest) const;

  const LiveOptions options_;
  std::atomic<std::uint64_t>& devices_total_;
  std::unique_ptr<rocksdb::DB> db_;
  Families families_;
  DirectoryState state_;
  RejectionRing ring_;
  RejectionRing::Range ring_visible_; ///< Under the state's mutex.
  std::unique_ptr<LogWindows> windows_;
  std::unique_ptr<SealedBlocks> blocks_;
  std::unique_ptr<OperationBook> operations_;
  std::unique_ptr<KeptLog> kept_log_; ///< Null: none is kept.
  FlushedBytes flushed_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::uint64_t wal_bytes_ = 0;   ///< Under the state's mutex.
  std::vector<Erasure> erasures_; ///< Read from disk, until SealedBlocks has them.
  std::uint32_t next_erasure_ = 1;
  std::vector<Erasure> erasing_; ///< Of the next commit.
  CommitBuilder builder_;
  ErrorHandler on_error_;
  std::uint64_t last_write_us_ = 0;
  std::uint32_t shapes_used_ = 0; ///< Highest number that a device refers to.
};

} // namespace spate::storage
