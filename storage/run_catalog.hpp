// Spate - which runs live and which generations are folded: the column family `catalog`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "storage/blocks_view.hpp"
#include "storage/partition.hpp"

namespace spate::storage {

/// Keys: `G` BE64 generation -> nothing: all of it is in runs, and it is to be dropped.
///       `R` BE32 run -> the run's description. A run whose files are there and whose entry is not
///       does not exist: its files are rubbish.
namespace catalog {
inline constexpr char kGeneration = 'G';
inline constexpr char kRun = 'R';
[[nodiscard]] std::string generation_key(std::uint64_t generation);
[[nodiscard]] std::string run_key(std::uint32_t run);
} // namespace catalog

/// BE32 of the run: what all keys of its files begin with.
[[nodiscard]] std::string run_prefix(std::uint32_t run);
[[nodiscard]] inline TimeSpan span_of(const Run& run) noexcept {
  return {run.from_ns, run.to_ns};
}

/// Layout: u8 format, u8 class, u8 level, zigzag from, to, first time, last time (each less the one
/// before), zigzag last receive time, varints last sequence, erased through, blocks, late blocks,
/// rows, readings, bytes.
void encode(const Run& run, std::string& out);
/// Error: storage_corrupt. `number` is the one in its key.
Result<Run> decode_run(std::uint32_t number, std::string_view bytes);

/// All that the column family says.
struct Catalog {
  std::vector<Run> runs;             ///< By number.
  std::vector<std::uint64_t> folded; ///< Generations that are to be dropped; ascending.
};
/// When a directory is opened. Errors: storage_corrupt, storage_io.
Result<Catalog> load_catalog(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* catalog_family);

/// Forgets the marks of generations that were dropped. Not synced: a mark that comes back is
/// harmless, since numbers of generations are never used again.
rocksdb::Status forget_generations(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* catalog_family,
                                   const std::vector<std::uint64_t>& generations);

/// When a directory is opened, before anyone reads: removes files of runs that are not in `runs`.
/// Returns the number that the next run may have. Errors: storage_io.
Result<std::uint32_t> remove_unnamed_runs(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* runs_family,
                                          const std::vector<Run>& runs);

/// Removes the files of one run. Files hold one run each, so whole files go and nothing is
/// rewritten. False: some are still there and must be tried again.
Result<bool> remove_run_files(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* runs_family,
                              std::uint32_t run);

} // namespace spate::storage
