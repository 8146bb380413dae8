// Spate - puts new runs into the database and takes what they replace out, in one step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <rocksdb/db.h>

#include "storage/blocks_view.hpp"

namespace spate::storage {

struct RunChange {
  std::vector<Run> runs_new;
  std::vector<std::string> paths; ///< Their files.
  std::vector<std::uint32_t> runs_gone;
  std::vector<std::uint64_t> generations_gone;    ///< Marked as folded; still to be dropped.
  std::vector<std::uint64_t> generations_dropped; ///< By now: their marks go.
};

/// Files and catalog change together or not at all, also when the power goes: one record of the
/// database's manifest says both. What is replaced must be durable before. `directory` takes the
/// catalog's file for a moment. Any thread but one at a time.
rocksdb::Status install(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* runs_family,
                        rocksdb::ColumnFamilyHandle* catalog_family, const std::string& directory,
                        const RunChange& change);

} // namespace spate::storage
