// Spate - finding sealed blocks of one device and shape.
#pragma once

#include <cstdint>
#include <memory>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "engine/model/shape.hpp"
#include "storage/block.hpp"
#include "storage/keys.hpp"

namespace spate::storage {

/// An iterator over the blocks, which stays inside the device that it was last sent to. `snapshot`
/// may be null: the newest state.
[[nodiscard]] std::unique_ptr<rocksdb::Iterator> block_iterator(rocksdb::DB& db,
                                                                rocksdb::ColumnFamilyHandle* blocks,
                                                                const rocksdb::Snapshot* snapshot);

/// The questions that a commit asks about what was sealed before. Committer thread; each costs a
/// seek and perhaps a read from the disk, so the commit bounds how many it asks.
class BlockLookup {
public:
  BlockLookup() = default;
  BlockLookup(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* blocks) : db_(&db), blocks_(blocks) {}

  /// What one commit may spend; what comes back beyond it is left to the readers.
  struct Budget {
    std::size_t lookups = 256;
    std::size_t rows = 32u << 10; ///< A stuck clock makes blocks of tens of thousands.
  };
  /// Whether a device-stamped row with this time and the same values is in a block. False where it
  /// gives up. `left.lookups` is not 0. Errors: storage_io, storage_corrupt.
  Result<bool> holds(std::uint32_t device, std::uint32_t number, const model::Shape& shape,
                     std::int64_t time_ns, std::string_view values, Budget& left);

private:
  rocksdb::DB* db_ = nullptr; ///< Borrowed.
  rocksdb::ColumnFamilyHandle* blocks_ = nullptr;
};

} // namespace spate::storage
