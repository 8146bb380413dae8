// Spate - the pieces of work that the maintenance thread does, one call each.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "storage/maintenance.hpp"
#include "storage/merge_plan.hpp"
#include "storage/quarantine.hpp"
#include "storage/run_install.hpp"
#include "storage/run_merge.hpp"

namespace spate::storage {

/// Thread: one at a time, except erased_through() and counts. Failure: storage_full: nothing
/// was changed; storage_unavailable: ended by `pace`; storage_io, storage_corrupt: the directory is
/// to be closed. `true`: something was done.
class MaintenanceJobs {
public:
  using Pace = std::function<bool(std::uint64_t rows)>;
  MaintenanceJobs(MaintenanceHost& host, const MaintenanceOptions& options, Pace pace);

  /// Makes the generation that the host wants.
  Result<bool> make_generation();
  /// Removes files of replaced runs that no view shows any more.
  Result<void> remove_garbage();
  Result<bool> drop_expired();
  /// Folds the oldest frozen generations.
  Result<bool> fold();
  /// Rewrites one run that holds rows of an erased device, or notes that none does.
  Result<bool> erase();
  Result<bool> merge(MergeReason reason);

  /// Rows that folding and merging all there is now would read, roughly.
  [[nodiscard]] std::uint64_t rows_ahead() const;
  /// Neither runs nor the quarantine hold what erasures up to `number` hide.
  [[nodiscard]] bool erased_through(std::uint64_t number) const;
  [[nodiscard]] MaintenanceCounts& counts() noexcept { return counts_; }

private:
  struct Garbage {
    std::vector<std::weak_ptr<const std::vector<Run>>> shown_by;
    Run run;
  };
  using Generations = std::vector<std::shared_ptr<const Generation>>;

  Result<void> perform(MergeTask& task, const Generations& generations,
                       const std::vector<Run>& runs);
  Result<void> write(RunChange& change);
  Result<void> apply(const RunChange& change, const std::vector<Run>& runs_gone);
  Result<void> drop(const Generations& generations);
  Result<bool> holds(const Run& run, const Erasure& erasure) const;
  MergeTask task_of(const std::vector<std::uint32_t>& numbers, std::vector<Run>& inputs) const;

  MaintenanceHost& host_;
  const MaintenanceOptions options_;
  const Pace pace_;
  const std::string directory_; ///< Of temporary files.
  Quarantine quarantine_;
  std::uint32_t next_run_;
  std::uint64_t next_generation_ = 0;
  std::vector<std::uint64_t> dropped_; ///< Generations whose marks the next change takes out.
  std::atomic<std::uint64_t> quarantine_erased_{0}; ///< Erasures up to this are done in it.
  std::vector<std::weak_ptr<const std::vector<Run>>> lists_; ///< That views may still show.
  mutable std::mutex mutex_;
  std::vector<Garbage> garbage_; ///< Under mutex_.
  MaintenanceCounts counts_;
};

} // namespace spate::storage
