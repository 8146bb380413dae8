// Spate - the thread that folds, merges and drops what is sealed, one a data directory.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <rocksdb/db.h>

#include "engine/model/shape.hpp"
#include "storage/blocks_view.hpp"

namespace spate::storage {

struct StoreStats;

/// The open data directory, as the maintenance thread needs it. All calls come from that thread
/// (or from the one that calls Maintenance::step()) with none of its locks held.
class MaintenanceHost {
public:
  virtual ~MaintenanceHost() = default;

  virtual rocksdb::DB& database() = 0;
  virtual rocksdb::ColumnFamilyHandle* runs_family() = 0;
  virtual rocksdb::ColumnFamilyHandle* catalog_family() = 0;
  virtual const rocksdb::ColumnFamilyOptions& generation_options() = 0;
  virtual rocksdb::Env* env() = 0; ///< May be null.
  /// Of the database. Beside it lie `fold` (temporary files) and `quarantine`.
  [[nodiscard]] virtual const std::string& path() const = 0;
  [[nodiscard]] virtual const std::string& name() const = 0; ///< For people.

  /// Now. Views between two replace() share one `runs`: replaced files are kept until no view shows
  /// them.
  [[nodiscard]] virtual std::shared_ptr<const BlocksView> blocks() const = 0;
  /// Null: unknown.
  [[nodiscard]] virtual const model::Shape* shape(std::uint32_t series) const = 0;
  /// 0: for ever.
  [[nodiscard]] virtual std::uint32_t retention_s(std::uint8_t retention_class) const = 0;
  /// All that are not finished, by number.
  [[nodiscard]] virtual std::vector<Erasure> erasures() const = 0;
  [[nodiscard]] virtual std::int64_t now_ms() const = 0;

  /// Whether it has no generation made ahead.
  [[nodiscard]] virtual bool wants_generation() const = 0;
  /// An empty one: commits seal into it when the active one is full.
  virtual void offer_generation(std::shared_ptr<const Generation> generation) = 0;
  /// Makes durable what was written to the database.
  virtual rocksdb::Status sync_wal() = 0;
  /// From now on views have other parts; it makes a new snapshot. `runs_gone` may be in `runs_new`
  /// again: then only its description changes.
  virtual void replace(const std::vector<std::uint64_t>& generations_gone,
                       const std::vector<std::uint32_t>& runs_gone,
                       const std::vector<Run>& runs_new) = 0;
  /// The state on disk is unknown: the directory is to be closed and opened again, by another
  /// thread. Nothing more is done here.
  virtual void on_error(const rocksdb::Status& status) = 0;
};

/// Since the start unless said otherwise. Any thread.
struct MaintenanceCounts {
  std::atomic<std::uint64_t> folds{0};
  std::atomic<std::uint64_t> merges{0};
  std::atomic<std::uint64_t> folded_rows{0};
  std::atomic<std::uint64_t> fold_bytes{0};
  std::atomic<std::uint64_t> fold_cpu_us{0};
  std::atomic<std::uint64_t> fold_duplicates{0};
  std::atomic<std::uint64_t> expired_runs{0};
  std::atomic<std::uint64_t> expired_rows{0};
  std::atomic<std::uint64_t> damaged_blocks{0}; ///< Set aside, on disk now.
};

/// How far a compaction is. Any thread.
struct CompactProgress {
  enum class State : std::uint8_t { queued, running, done, failed };
  std::atomic<State> state{State::queued};
  std::atomic<std::uint64_t> rows_done{0};
  std::atomic<std::uint64_t> rows_total{0}; ///< Grows: what a merge writes may be merged again.
};

struct MaintenanceOptions {
  double fold_cpu_max = 0.25;             ///< Share of one core while the host is busy.
  std::uint32_t next_run = 1;             ///< From remove_unnamed_runs().
  std::int64_t tick_ms = 1000;            ///< It looks for work at least so often.
  std::size_t file_bytes_max = 64u << 20; ///< Of a run's files.
  std::size_t late_bytes_max = 16u << 20; ///< Late rows of one series that are in memory.
};

/// Folds frozen generations into runs, merges runs, drops those whose time is over, makes room for
/// the next generation.
///
/// Flow:       the committer seals into the active generation; the host freezes it -> step(): fold,
///             one atomic ingest of the runs and the catalog -> MaintenanceHost::replace().
/// Thread:     one of its own from start() to stop(); or none: tests call step(). poke(),
///             set_busy(), compact() and counts() from any thread.
/// Durability: before the ingest it changes nothing that counts; after it all of it holds, and what
///             is left to do (dropping what was replaced) is done again when the directory opens.
/// Failure:    a full disk: the job is given up and tried later. Any other error of writing:
///             MaintenanceHost::on_error(), then nothing more. Damaged blocks are set aside.
class Maintenance {
public:
  /// `host` is borrowed. Empties the directory of temporary files.
  Maintenance(MaintenanceHost& host, MaintenanceOptions options);
  ~Maintenance();
  Maintenance(const Maintenance&) = delete;
  Maintenance& operator=(const Maintenance&) = delete;

  void start();
  /// Ends the job at hand within one block, and the thread. Idempotent. The host calls it before it
  /// closes the database.
  void stop();
  /// There is work: a generation was frozen or taken, an erasure recorded.
  void poke();
  /// Rows come in: it keeps to its share of a core.
  void set_busy(bool busy) noexcept;
  /// Folds all generations that are frozen now and merges until each span has one run, as quickly
  /// as it can. Freezing is the host's. One asked for while another is queued is the same one.
  std::shared_ptr<const CompactProgress> compact();
  [[nodiscard]] const MaintenanceCounts& counts() const noexcept;
  void add_to(StoreStats& stats) const;

  /// Does one piece of work on the caller's thread; false: there was none, or it failed.
  bool step();
  /// Neither runs nor the quarantine hold what erasures up to `number` hide. Generations are the
  /// host's to look at.
  [[nodiscard]] bool erased_through(std::uint64_t number) const;

private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace spate::storage
