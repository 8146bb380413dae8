// Spate - refused records on disk, newest kept, oldest let go.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "engine/model/telemetry_block.hpp"
#include "storage/store.hpp"

namespace spate::storage {

/// Entries are numbered from 1 for ever, so what is below the oldest one has been dropped. add() is
/// the committer's; read() any thread's, given a snapshot of the numbers.
class RejectionRing {
public:
  struct Range {
    std::uint64_t oldest = 1; ///< First entry that is kept.
    std::uint64_t next = 1;   ///< Number of the next one.
  };

  /// Finds where the ring stands. Error: storage_io.
  Result<void> load(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family,
                    std::uint64_t entries_max);

  /// Puts the entry in `batch` and takes the oldest out if there are too many.
  void add(rocksdb::WriteBatch& batch, const model::Rejection& rejection);
  [[nodiscard]] Range range() const noexcept { return range_; }

  static void encode(const model::Rejection& rejection, std::string& out);
  static Result<model::Rejection> decode(std::string_view bytes);

private:
  rocksdb::ColumnFamilyHandle* family_ = nullptr;
  std::uint64_t entries_max_ = 0;
  Range range_;
};

} // namespace spate::storage
