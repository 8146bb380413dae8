// Spate - finding the sealed blocks of one device and series over all generations and runs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "engine/columnar/block.hpp"
#include "storage/blocks_view.hpp"
#include "storage/keys.hpp"

namespace spate::storage {

/// The times that a read wants: first <= t <= last.
struct WalkRange {
  std::int64_t first_ns = 0;
  std::int64_t last_ns = 0;
  bool descending = false;
};

/// Where blocks are looked for. All of it is borrowed and outlives the walk.
struct WalkedDevice {
  rocksdb::DB& db;
  const BlocksView& view;
  std::uint32_t device = 0;
};

/// A block that is there, without its bytes.
struct FoundBlock {
  BlockSet set;
  BlockKey key;
  columnar::BlockSpan span;
};

/// An error about one block, for people: which device, series and times can not be read.
[[nodiscard]] Error damaged_block(const BlockKey& key, std::int64_t first_time_ns,
                                  std::string_view why);

/// The main blocks that can hold rows of a range, in the order of reading. They are disjoint in
/// time, so each is read once and rows of one time are never in two of them. A set is not looked
/// into before its turn comes. One thread. Errors: storage_io, storage_corrupt.
class MainBlockWalk {
public:
  MainBlockWalk(const WalkedDevice& device, std::uint32_t series, const WalkRange& range);
  MainBlockWalk(const MainBlockWalk&) = delete;
  MainBlockWalk& operator=(const MainBlockWalk&) = delete;
  ~MainBlockWalk();

  /// Goes to the next block, at first to the first one. False at the end.
  Result<bool> next();

  // Of the block that it stands on, until next().
  [[nodiscard]] const FoundBlock& block() const noexcept;
  [[nodiscard]] std::string_view value() const;

private:
  class Cursor;

  const WalkRange range_;
  std::vector<std::unique_ptr<Cursor>> cursors_; ///< Those that may have more blocks.
  Cursor* current_ = nullptr;
};

/// All late blocks that may hold rows of a range, in the order in which they arrived. `cancelled`
/// (may be null) is asked before each. Errors: storage_io, storage_corrupt, storage_unavailable
/// (cancelled).
Result<std::vector<FoundBlock>> late_blocks(const WalkedDevice& device, std::uint32_t series,
                                            const WalkRange& range,
                                            const std::function<bool()>& cancelled);

/// The bytes of a block that was found. Errors: storage_io, storage_corrupt.
Result<void> read_block(const WalkedDevice& device, const FoundBlock& block,
                        rocksdb::PinnableSlice& out);

/// Which rows of a block are not there any more.
enum class Erased : std::uint8_t { none, some, all };
[[nodiscard]] Erased erased_of(const FoundBlock& block, const std::vector<Erasure>& erasures);
/// Whether one row of it is. For blocks that are erased in part.
[[nodiscard]] bool erased_at(const FoundBlock& block, const std::vector<Erasure>& erasures,
                             std::int64_t time_ns);

} // namespace spate::storage
