// Spate - the one door to what is stored: commit, scan, last value.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/arena.hpp"
#include "engine/base/histogram.hpp"
#include "engine/base/result.hpp"
#include "engine/base/uuid.hpp"
#include "engine/model/ids.hpp"
#include "engine/model/reject_reason.hpp"
#include "engine/model/row.hpp"
#include "engine/model/shape.hpp"
#include "engine/model/telemetry_block.hpp"
#include "storage/log_page.hpp"
#include "storage/operation.hpp"

namespace rocksdb {
class DB;
} // namespace rocksdb

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
  std::size_t tail_bytes_max = 256u << 20; ///< Tails in memory, a data directory.
  std::size_t log_bytes_max = 192u << 20;  ///< Log that may hold unsealed rows, a data directory.
  std::uint32_t seal_rows = 128;           ///< Rows of a tail that make a block.
  std::int64_t seal_age_ms = 3'600'000; ///< Age of its oldest row at which a tail is sealed anyway.
  std::uint64_t rejections_max = 100'000; ///< Entries in the ring of rejections, a data directory.
  /// Free space below which telemetry is refused; 0 = max(1 GiB, 5 % of the disk).
  std::uint64_t disk_free_min_bytes = 0;
  /// Share of one core that folding and merging may take while commits are under way, and a check
  /// at any time.
  double fold_cpu_max = 0.25;
  std::int64_t fold_age_ms = 3'600'000; ///< Sealed blocks are folded at this age at the latest.
  /// Write-ahead log that is kept for log(), a data directory, with what is still needed; 0: none.
  std::uint64_t log_retention_bytes = 1u << 30;
  std::uint32_t log_retention_s = 86'400; ///< Age at which it goes; 0: any.
};

/// A position in one device's records: the full key, so that pages neither repeat nor skip.
struct ScanPosition {
  std::int64_t time_ns = 0;
  std::uint64_t tie = 0; ///< Orders records of the same time by arrival.
};

struct ScanRequest {
  std::string device;
  std::int64_t from_ns = 0;       ///< Inclusive.
  std::int64_t to_ns = INT64_MAX; ///< Exclusive, but INT64_MAX has no end. So for all requests.
  bool descending = false;
  std::optional<ScanPosition> after; ///< Continue behind this record.
  std::size_t limit = 1000;
  /// The page ends, with `more`, when its records' values pass this; it holds at least one.
  std::size_t bytes_max = 16u << 20;
  /// If set, only records whose shape it accepts (the `fields=` filter).
  std::function<bool(const model::Shape&)> accepts;
  /// If set, asked before each block that is read; true ends the scan with storage_unavailable.
  /// Reader's thread.
  std::function<bool()> cancelled;
};

/// A record as it is read back.
struct StoredRecord {
  std::int64_t time_ns = 0;
  std::int64_t received_ms = 0;
  model::TsSource source = model::TsSource::server;
  const model::Shape* shape = nullptr;
  std::string_view values; ///< Row bytes of `shape`, in its page's arena.
  std::uint64_t tie = 0;
};

struct ScanPage {
  std::vector<StoredRecord> records;
  bool more = false; ///< Continue after the last record.
  Arena arena;       ///< Holds the records' values.
};

/// The newest record of each shape of many devices.
struct LastRequest {
  std::string after;        ///< Opaque position from LastPage::position, empty for the start.
  std::size_t limit = 1000; ///< Devices.
  std::function<bool(const model::Shape&)> accepts; ///< As in ScanRequest.
  std::function<bool()> cancelled;
};
struct LastPage {
  struct Device {
    std::string id;
    std::vector<StoredRecord> records; ///< One a shape.
  };
  std::vector<Device> devices; ///< Those with a record, in the order in which they were first seen.
  bool more = false;
  std::string position; ///< Of the last device that was looked at.
  Arena arena;
};

enum class Function : std::uint8_t { avg, min, max, sum, count, first, last, p50, p99 };
inline constexpr std::size_t kFunctions = 9;

/// What an aggregate gives: numbers as text, so that exact ones keep all their digits.
struct AggregateValue {
  enum class Kind : std::uint8_t { none, number, boolean, string };
  Kind kind = Kind::none;
  std::string text; ///< Of a number or string.
  bool boolean = false;
};

struct AggregateRequest {
  std::string device;
  std::int64_t from_ns = 0;
  std::int64_t to_ns = INT64_MAX;
  std::int64_t step_ns = 0;    ///< Width of a bucket; 0: the whole range is one.
  std::int64_t offset_ns = 0;  ///< Buckets begin at offset + n * step.
  std::uint32_t functions = 0; ///< Bits 1 << Function.
  bool descending = false;
  std::optional<std::int64_t> after_ns; ///< Start of the last bucket of the page before.
  std::size_t limit = 1000;             ///< Buckets.
  /// If set, which fields of a shape are wanted; none: its records are not read.
  std::function<std::vector<bool>(const model::Shape&)> selects;
  std::function<bool()> cancelled; ///< As in ScanRequest.
};

/// Fields of one path, whatever their shapes. Numbers: all functions. Booleans: count, first, last,
/// and avg, the share of true. Strings: count, first, last. min, max, first, last, p50 and p99 are
/// values that were sent (percentiles by nearest rank); sum is exact while it fits 38 digits; avg
/// is a double.
struct FieldAggregate {
  std::string_view path;                         ///< Lives as long as the ShapeTable.
  std::array<AggregateValue, kFunctions> values; ///< By Function; those not asked for are none.
};
struct AggregateBucket {
  std::int64_t start_ns = 0;
  std::vector<FieldAggregate> fields; ///< By path; never empty.
};
struct AggregatePage {
  std::vector<AggregateBucket> buckets; ///< Without empty ones.
  bool more = false;                    ///< Continue after the last bucket.
};

struct EraseRequest {
  Uuid operation; ///< Id of the operation that follows it.
  std::string device;
  std::int64_t from_ns = 0;
  std::int64_t to_ns = INT64_MAX; ///< Exclusive.
  std::string idempotency_key;    ///< Empty: none.
};

struct DeviceInfo {
  std::string id;
  std::int64_t first_seen_ms = 0;
  /// Receive time of its newest stored record, also after a restart; 0: it has none.
  std::int64_t last_seen_ms = 0;
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

/// Called with an open database and the directory that it lies in. `closing`: somebody waits to
/// close it, because it failed or the node stops: give up soon. Any thread may ask it.
using DatabaseUser = std::function<Result<void>(const std::string& path, rocksdb::DB& db,
                                                const std::function<bool()>& closing)>;

/// Sums over all data directories, since the process started unless said otherwise.
struct StoreStats {
  std::uint64_t commits = 0;
  std::uint64_t rows_stored = 0;
  std::uint64_t rows_duplicate = 0;
  std::uint64_t log_bytes = 0;
  std::uint64_t blocks_sealed = 0;
  std::uint64_t queue_bytes = 0;      ///< Now.
  std::uint64_t tail_bytes = 0;       ///< Rows in tails, now.
  std::uint64_t tail_fixed_bytes = 0; ///< Of the tails themselves and the last values, now.
  std::uint64_t tail_rows = 0;        ///< Now.
  std::uint64_t devices = 0;          ///< Now.
  std::uint64_t shapes = 0;           ///< Now.
  std::uint64_t reopens = 0;
  std::uint64_t disk_free_bytes = 0; ///< Of the fullest directory, now.
  std::uint64_t disk_used_bytes = 0; ///< Of the data directories' databases, now.
  std::uint64_t generations = 0;     ///< Column families of sealed blocks that are not folded, now.
  std::uint64_t generation_bytes = 0; ///< Sealed and not folded, now.
  std::int64_t fold_lag_ms = 0;       ///< Age of the oldest block that is not folded, now.
  std::uint64_t runs = 0;             ///< Now.
  std::uint64_t run_bytes = 0;        ///< Now.
  std::uint64_t run_rows = 0;         ///< Now.
  std::uint64_t run_readings = 0;     ///< Now.
  std::uint64_t folds = 0;            ///< Generations that became runs.
  std::uint64_t merges = 0;           ///< Runs made of runs.
  std::uint64_t folded_rows = 0;      ///< Rows written by folds and merges.
  std::uint64_t fold_bytes = 0;       ///< Bytes written by folds and merges.
  std::uint64_t fold_cpu_us = 0;
  std::uint64_t fold_duplicates = 0; ///< Rows that a fold found to be repeats: stored less.
  std::uint64_t sealed_bytes = 0;    ///< Of sealed blocks.
  std::uint64_t wal_bytes = 0;       ///< Written to write-ahead logs.
  std::uint64_t flush_bytes = 0;     ///< Written by flushes of memory.
  std::uint64_t expired_runs = 0;    ///< Dropped when their time was over.
  std::uint64_t expired_rows = 0;
  std::uint64_t erasures = 0;            ///< Under way, now.
  std::uint64_t erasures_blocked = 0;    ///< Of these, what damage keeps from ending.
  std::uint64_t damaged_blocks = 0;      ///< Found and set aside, on disk now.
  std::vector<KeptLogFigures> kept_logs; ///< One a data directory, now.
  Histogram sync_us;                     ///< Duration of a synced write.
  Histogram commit_rows;                 ///< Rows a commit.
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

  /// Records of one data directory in the order of their commits, repeats that a fold finds later
  /// included, from a position on; only what is as durable as StoreOptions::durability says. What
  /// retention or an erasure has removed is a gap, and reading goes on behind it. Errors:
  /// cursor_invalid (not reached yet, or no such directory), usage (none is kept), device_unknown,
  /// storage_unavailable, storage_corrupt, storage_io.
  virtual Result<LogPage> log(const LogRequest& request) = 0;

  /// Records in the order of (time, arrival); duplicates that the commit could not recognise are
  /// left out. Errors: device_unknown, storage_unavailable, storage_corrupt.
  virtual Result<ScanPage> scan(const ScanRequest& request) = 0;
  /// For each shape of the device its newest record. Errors as scan().
  virtual Result<ScanPage> last(const std::string& device) = 0;
  /// The same of many devices, from memory. Errors: storage_unavailable, cursor_invalid.
  virtual Result<LastPage> lasts(const LastRequest& request) = 0;
  /// Errors as scan().
  virtual Result<AggregatePage> aggregate(const AggregateRequest& request) = 0;
  /// Devices with id > `after`, sorted by id.
  virtual Result<DevicePage> devices(const std::string& after, std::size_t limit) = 0;
  virtual Result<RejectionPage> rejections(const RejectionQuery& query) = 0;

  // Long work. Each is recorded durably before it returns and goes on after a restart, except
  // backups; see Operation. Errors: storage_unavailable, storage_io.

  /// From its return on no read shows the records; it succeeds when their bytes are gone. With a
  /// key that was used for the same request: that operation; for another: idempotency_conflict.
  /// Error: device_unknown.
  virtual Result<Operation> erase(const EraseRequest& request) = 0;
  /// Seals, folds and merges everything, so that the least space is taken. While a data directory
  /// is closed it begins nowhere: storage_unavailable.
  virtual Result<Operation> compact(const Uuid& operation) = 0;
  /// Reads every sealed block and every file and says what is damaged: SUCCEEDED with a result as
  /// json_of(CheckReport) gives it. Data directories that are closed are left out; health() tells
  /// them.
  virtual Result<Operation> check(const Uuid& operation) = 0;
  /// nullopt: there is none, or it ended more than a week ago.
  virtual Result<std::optional<Operation>> operation(const Uuid& id) = 0;
  /// Newest first.
  virtual Result<OperationPage> operations(const OperationQuery& query) = 0;

  /// Runs `use` with each data directory's database in turn, for backups; it is not closed
  /// meanwhile. Waits for the disk. Ends at the first error: use()'s, or storage_unavailable.
  virtual Result<void> with_databases(const DatabaseUser& use) = 0;

  /// Commits and answers what was submitted, then closes. submit() afterwards answers
  /// `unavailable`.
  virtual void stop() = 0;

protected:
  Store() = default;
};

} // namespace spate::storage
