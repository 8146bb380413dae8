// Spate - the sealed blocks of an open data directory: generations and runs, and which of them
// readers see.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "storage/block_lookup.hpp"
#include "storage/blocks_view.hpp"
#include "storage/directory_state.hpp"
#include "storage/maintenance.hpp"
#include "storage/store.hpp"

namespace spate::storage {

/// Prefix of the generations' column families: blk0, blk1, ...
inline constexpr std::string_view kGenerationPrefix = "blk";
inline constexpr const char* kRunsFamily = "runs";
inline constexpr const char* kCatalogFamily = "catalog";

struct SealedBlocksOptions {
  std::string path; ///< Of the database.
  std::string name; ///< Of the data directory, for people.
  rocksdb::ColumnFamilyOptions generation;
  rocksdb::ColumnFamilyOptions runs;
  rocksdb::ColumnFamilyOptions catalog;
  std::size_t generation_bytes = 256u << 20; ///< A generation with more is folded,
  std::int64_t fold_age_ms = 3'600'000;      ///< and one that is older.
  double fold_cpu_max = 0.25;
  rocksdb::Env* env = nullptr;
  std::function<std::int64_t()> now_ms;
};

/// Flow:   commits seal into active(); full generations are frozen here, folded by Maintenance, and
///         replace() shows their runs instead.
/// Thread: view() and what MaintenanceHost has: any. The rest is the committer's.
/// Locks:  a commit holds `turn` from before its write until its rows and blocks are visible, so
///         that no view is made between the two; before the state's mutex, which guards the view.
class SealedBlocks final : public MaintenanceHost {
public:
  using ErrorHandler = std::function<void(const rocksdb::Status&)>;

  /// All borrowed and outlive it.
  SealedBlocks(rocksdb::DB& db, DirectoryState& state, SealedBlocksOptions options,
               ErrorHandler on_error);
  ~SealedBlocks() override;

  /// Recovery: takes the handles over, drops what was folded, forgets half-made runs. Errors:
  /// storage_io, storage_corrupt.
  Result<void> load(std::vector<std::pair<std::uint64_t, rocksdb::ColumnFamilyHandle*>> generations,
                    rocksdb::ColumnFamilyHandle* runs, rocksdb::ColumnFamilyHandle* catalog,
                    std::vector<Erasure> erasures);
  /// After replay.
  Result<void> start();
  /// Ends the maintenance thread. Idempotent.
  void stop();

  /// State's mutex held.
  [[nodiscard]] const std::shared_ptr<const BlocksView>& view() const noexcept { return view_; }
  [[nodiscard]] std::mutex& turn() noexcept { return turn_; }

  /// Where the next commit seals to, and what it may ask of earlier ones.
  [[nodiscard]] rocksdb::ColumnFamilyHandle* active() const;
  [[nodiscard]] BlockLookup lookup() const;
  /// A commit was written: `turn` and the state's mutex held. Shows its blocks.
  void sealed(std::size_t bytes, std::uint64_t sequence);
  /// Freezes the active generation if it is full or old enough, and there is a new one.
  void freeze_if_due(std::int64_t now_ms);
  /// At the next freeze_if_due(), whatever it holds.
  void freeze_soon() noexcept { freeze_wanted_ = true; }
  [[nodiscard]] bool freezing() const noexcept { return freeze_wanted_; }
  /// Commits come in: the fold keeps to its share of a core.
  void busy(bool busy) noexcept { maintenance_->set_busy(busy); }

  /// Turn and state's mutex held: hides what it covers from now on.
  void add_erasure(const Erasure& erasure);
  /// From now on new views show `write`, a number of RocksDB's, and later ones.
  void renew_snapshot(std::uint64_t write);
  /// Its bytes are gone.
  void remove_erasure(std::uint32_t number);
  /// No generation holds a block that a commit up to `sequence` sealed, nor does one that is folded
  /// and still there for its readers.
  [[nodiscard]] bool folded_through(std::uint64_t sequence) const;
  [[nodiscard]] Maintenance& maintenance() noexcept { return *maintenance_; }
  void add_to(StoreStats& stats) const;

  // MaintenanceHost
  rocksdb::DB& database() override { return db_; }
  rocksdb::ColumnFamilyHandle* runs_family() override { return runs_; }
  rocksdb::ColumnFamilyHandle* catalog_family() override { return catalog_; }
  const rocksdb::ColumnFamilyOptions& generation_options() override { return options_.generation; }
  rocksdb::Env* env() override { return options_.env; }
  [[nodiscard]] const std::string& path() const override { return options_.path; }
  [[nodiscard]] const std::string& name() const override { return options_.name; }
  [[nodiscard]] std::shared_ptr<const BlocksView> blocks() const override;
  [[nodiscard]] const model::Shape* shape(std::uint32_t series) const override;
  [[nodiscard]] std::uint32_t retention_s(std::uint8_t retention_class) const override;
  [[nodiscard]] std::vector<Erasure> erasures() const override;
  [[nodiscard]] std::int64_t now_ms() const override { return options_.now_ms(); }
  [[nodiscard]] bool wants_generation() const override;
  void offer_generation(std::shared_ptr<const Generation> generation) override;
  rocksdb::Status sync_wal() override;
  void replace(const std::vector<std::uint64_t>& generations_gone,
               const std::vector<std::uint32_t>& runs_gone,
               const std::vector<Run>& runs_new) override;
  void on_error(const rocksdb::Status& status) override;

private:
  /// What a generation holds.
  struct Size {
    std::size_t bytes = 0;
    std::int64_t first_sealed_ms = 0; ///< 0: it is empty.
    std::uint64_t first_sequence = 0; ///< 0: sealed before it was opened.
  };
  void publish(BlocksView next); ///< State's mutex held.
  Result<Size> size_of(const Generation& generation) const;

  rocksdb::DB& db_;
  DirectoryState& state_;
  const SealedBlocksOptions options_;
  const ErrorHandler on_error_;
  rocksdb::ColumnFamilyHandle* runs_ = nullptr;
  rocksdb::ColumnFamilyHandle* catalog_ = nullptr;
  std::uint64_t next_generation_ = 0;
  std::uint32_t next_run_ = 1;

  std::mutex turn_;
  std::shared_ptr<const BlocksView> view_; ///< Under the state's mutex, as all below.
  std::vector<Size> sizes_;                ///< As view_->generations.
  /// No view shows them any more, but readers may: till then their files stay.
  std::vector<std::pair<std::weak_ptr<const Generation>, Size>> folded_;
  std::shared_ptr<const Generation> spare_;
  std::atomic<bool> freeze_wanted_{false};
  std::uint64_t sealed_bytes_ = 0;
  std::unique_ptr<Maintenance> maintenance_;
};

} // namespace spate::storage
