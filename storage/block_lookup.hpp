// Spate - finding sealed blocks of one device and series.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "engine/columnar/block.hpp"
#include "engine/model/shape.hpp"
#include "storage/blocks_view.hpp"
#include "storage/keys.hpp"

namespace spate::storage {

/// An iterator over a family of blocks, which stays inside the prefix that it was last sent to.
/// `snapshot` may be null: the newest state.
[[nodiscard]] std::unique_ptr<rocksdb::Iterator> block_iterator(rocksdb::DB& db,
                                                                rocksdb::ColumnFamilyHandle* blocks,
                                                                const rocksdb::Snapshot* snapshot);

/// The questions that a commit asks about what was sealed before. Committer thread; each costs a
/// seek for each generation and run of its time, and perhaps a read from the disk, so the commit
/// bounds how many it asks.
class BlockLookup {
public:
  BlockLookup() = default;
  BlockLookup(rocksdb::DB& db, std::shared_ptr<const BlocksView> view)
      : db_(&db), view_(std::move(view)) {}

  /// What one commit may spend; what comes back beyond it is left to the readers.
  struct Budget {
    std::size_t lookups = 256;
    std::size_t rows = 32u << 10; ///< A stuck clock makes blocks of tens of thousands.
  };
  /// Whether a device-stamped row with this time and the same values is in a block. False where it
  /// gives up. `left.lookups` is not 0. Errors: storage_io, storage_corrupt.
  Result<bool> holds(std::uint32_t device, std::uint32_t series, const model::Shape& shape,
                     std::int64_t time_ns, std::string_view values, Budget& left);

private:
  /// Of one device and series.
  struct Question {
    std::uint32_t device;
    std::uint32_t series;
    const model::Shape& shape;
    std::int64_t time_ns;
    std::string_view values;
  };
  struct Decoded {
    BlockKey key;
    std::uint32_t erased_through = 0;
    std::vector<columnar::Row> rows;
    std::string arena;
  };
  Result<bool> set_holds(const Question& question, const BlockSet& set, bool has_late,
                         Budget& left);
  Result<const Decoded*> decode(const Question& question, std::string_view block,
                                const BlockKey& key, std::uint32_t erased_through);
  [[nodiscard]] bool holds_row(const Decoded& decoded, const Question& question) const;

  rocksdb::DB* db_ = nullptr; ///< Borrowed.
  std::shared_ptr<const BlocksView> view_;
  // The blocks that were decoded last: a batch that is sent again asks for its rows one by one.
  static constexpr std::size_t kDecodedMax = 8;
  std::vector<Decoded> decoded_;
  std::size_t oldest_ = 0;
};

} // namespace spate::storage
