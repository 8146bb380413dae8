// Spate - the one door to what is stored: commit, scan, last value.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/histogram.hpp"
#include "engine/base/result.hpp"
#include "engine/model/ids.hpp"
#include "engine/model/reject_reason.hpp"
#include "engine/model/row.hpp"
#include "engine/model/shape.hpp"
#include "engine/model/telemetry_block.hpp"

namespace spate::storage {

/// What an acknowledgement means.
enum class Durability : std::uint8_t {
  fsync,  ///< The write-ahead log was fdatasynced.
  os,     ///< The log was handed to the kernel: survives kill -9, not a power cut.
  memory, ///< It is in this process: survives nothing.
};

struct StoreOptions {
  std::vector<std::string> data_dirs; ///< One database each; shards spread over them round robin.
  std::uint16_t shards = 4;           ///< Fixed when the directories are created.
  Durability durability = Durability::fsync;
  /// Commits that follow each other are at least so far apart, unless hundreds of rows wait: a sync
  /// costs as much for one row as for a hundred. 0: as soon as the last one is done.
  std::uint32_t commit_interval_us = 1000;
  std::uint64_t devices_max = 1'000'000;
  std::uint32_t shapes_per_device_max = 256;
  std::size_t queue_bytes_max = 64u << 20; ///< Blocks that wait for their commit, a data directory.
  std::size_t tail_bytes_max = 96u << 20;  ///< Rows in memory, a data directory.
  std::size_t log_bytes_max = 128u << 20;  ///< Log that may hold unsealed rows, a data directory.
  std::uint32_t seal_rows = 64;            ///< Rows of a tail that make a block.
  std::int64_t seal_age_ms = 3'600'000; ///< Age of its oldest row at which a tail is sealed anyway.
  std::uint64_t rejections_max = 100'000; ///< Entries in the ring of rejections, a data directory.
  /// Free space below which telemetry is refused; 0 = max(1 GiB, 5 % of the disk).
  std::uint64_t disk_free_min_bytes = 0;
};

/// A position in one device's records: the full key, so that pages neither repeat nor skip.
struct ScanPosition {
  std::int64_t time_ns = 0;
  std::uint64_t tie = 0; ///< Orders records of the same time by arrival.
};

struct ScanRequest {
  std::string device;
  std::int64_t from_ns = 0;       ///< Inclusive.
  std::int64_t to_ns = INT64_MAX; ///< Exclusive.
  bool descending = false;
  std::optional<ScanPosition> after; ///< Continue behind this record.
  std::size_t limit = 1000;
  /// If set, only records whose shape it accepts (the `fields=` filter).
  std::function<bool(const model::Shape&)> accepts;
  /// If set, asked before each block that is read; true ends the scan with storage_unavailable.
  /// Reader's thread.
  std::function<bool()> cancelled;
};

/// A record as it is read back. Owns its bytes.
struct StoredRecord {
  std::int64_t time_ns = 0;
  std::int64_t received_ms = 0;
  model::TsSource source = model::TsSource::server;
  const model::Shape* shape = nullptr;
  std::string values; ///< Row bytes of `shape`.
  std::uint64_t tie = 0;
};

struct ScanPage {
  std::vector<StoredRecord> records;
  bool more = false; ///< Continue after the last record.
};

struct DeviceInfo {
  std::string id;
  std::int64_t first_seen_ms = 0;
  std::int64_t last_seen_ms =
      0; ///< Receive time of its newest stored record, also after a restart.
};

struct DevicePage {
  std::vector<DeviceInfo> devices; ///< Sorted by id.
  bool more = false;
};

struct RejectionQuery {
  std::optional<std::string> device;
  std::optional<model::RejectReason> reason;
  std::int64_t from_ms = 0;
  std::int64_t to_ms = INT64_MAX;
  std::size_t limit = 100;
  std::string after; ///< Opaque position from RejectionPage::position, empty for the newest.
};

struct RejectionPage {
  std::vector<model::Rejection> rejections; ///< Newest first.
  bool more = false;
  std::string position;      ///< Of the last entry.
  std::uint64_t dropped = 0; ///< Entries that made room since the directories were created.
};

struct ShardHealth {
  model::ShardId shard{};
  bool ok = false;
  std::string detail; ///< Why it is not.
};

/// Sums over all data directories, since the process started unless said otherwise.
struct StoreStats {
  std::uint64_t commits = 0;
  std::uint64_t rows_stored = 0;
  std::uint64_t rows_duplicate = 0;
  std::uint64_t log_bytes = 0;
  std::uint64_t blocks_sealed = 0;
  std::uint64_t queue_bytes = 0; ///< Now.
  std::uint64_t tail_bytes = 0;  ///< Now.
  std::uint64_t tail_rows = 0;   ///< Now.
  std::uint64_t devices = 0;     ///< Now.
  std::uint64_t shapes = 0;      ///< Now.
  std::uint64_t reopens = 0;
  std::uint64_t disk_free_bytes = 0; ///< Of the fullest directory, now.
  Histogram sync_us;                 ///< Duration of a synced write.
  Histogram commit_rows;             ///< Rows a commit.
};

/// Commit log windows, tails in memory and sealed blocks on RocksDB: design A of the store's
/// design.
///
/// Flow:       loop -> submit(block) -> committer: gather, WriteBatch, sync -> ReceiptSink of the
/// block. Thread:     submit() and health() from any thread, never block. Reads from any thread
/// that may wait for
///             the disk (never a loop). One committer thread a data directory.
/// Durability: a block whose status is `committed` is as durable as StoreOptions::durability says.
/// Failure:    after a failed write or sync the state on disk is unknown: the data directory
/// refuses all
///             blocks, is closed and reopened from its log; a failed sync is never retried. Other
///             data directories go on.
class Store {
public:
  /// Opens or creates the directories and replays their logs. Blocks. A directory that was used
  /// before and can not be opened is tried again and again while the others serve; only if none can
  /// be opened, and not for want of space, that is an error.
  /// Errors: storage_locked, storage_format, storage_shards_mismatch, storage_corrupt, storage_io;
  /// the detail is one sentence that names the directory and what to do.
  static Result<std::unique_ptr<Store>> open(StoreOptions options, model::ShapeTable& shapes);

  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  /// Stable for ever: a hash of tenant and device id modulo the number of shards.
  [[nodiscard]] virtual model::ShardId shard_of(std::string_view device_id) const noexcept = 0;
  [[nodiscard]] virtual std::uint16_t shards() const noexcept = 0;

  /// Takes a block; its sink gets it back, committed or refused, in the order of submission per
  /// shard.
  virtual void submit(std::unique_ptr<model::TelemetryBlock> block) = 0;
  /// Bytes that wait in the queue of this shard's data directory. Loops stop reading when it passes
  /// StoreOptions::queue_bytes_max.
  [[nodiscard]] virtual std::size_t queued_bytes(model::ShardId shard) const noexcept = 0;

  /// One entry a shard.
  [[nodiscard]] virtual std::vector<ShardHealth> health() const = 0;
  [[nodiscard]] virtual StoreStats stats() const = 0;

  /// Whether the device is durably known: it has rows, or was seen. Any thread, a loop's too:
  /// memory only. Error: storage_unavailable.
  [[nodiscard]] virtual Result<bool> knows(const std::string& device) const = 0;

  /// Records in the order of (time, arrival); duplicates that the commit could not recognise are
  /// left out. Errors: device_unknown, storage_unavailable, storage_corrupt.
  virtual Result<ScanPage> scan(const ScanRequest& request) = 0;
  /// For each shape of the device its newest record. Errors as scan().
  virtual Result<std::vector<StoredRecord>> last(const std::string& device) = 0;
  /// Devices with id > `after`, sorted by id.
  virtual Result<DevicePage> devices(const std::string& after, std::size_t limit) = 0;
  virtual Result<RejectionPage> rejections(const RejectionQuery& query) = 0;

  /// Commits and answers what was submitted, then closes. submit() afterwards answers
  /// `unavailable`.
  virtual void stop() = 0;

protected:
  Store() = default;
};

} // namespace spate::storage
