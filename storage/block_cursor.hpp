// Spate - the blocks of several sets as one sequence in key order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "storage/blocks_view.hpp"

namespace spate::storage {

/// Reads with the cache passed over. A part of a file whose checksum does not hold is passed over
/// up to the next device that can be read, and told to `on_unreadable`; a key that is no block key
/// likewise. One thread; `db` and the sets' families outlive it.
class BlockCursor {
public:
  struct Unreadable {
    std::size_t input = 0;
    std::uint32_t from_device = 0; ///< What it lost lies from here
    std::uint32_t to_device = 0;   ///< to here, exclusive; 0: to the end of the set.
    std::string reason;
  };
  using OnUnreadable = std::function<Result<void>(const Unreadable&)>;

  /// `readahead_bytes` 0: none. `on_unreadable` may be empty.
  BlockCursor(rocksdb::DB& db, const std::vector<BlockSet>& sets, const rocksdb::Snapshot* snapshot,
              std::size_t readahead_bytes, OnUnreadable on_unreadable);

  /// To the first block whose key is not before `key`. Errors, here and in next(): storage_io and
  /// those of `on_unreadable`; then the cursor is of no use.
  Result<void> seek(const BlockKey& key);
  Result<void> seek_to_first() { return seek({0, 0, BlockKind::main, INT64_MIN, 0}); }
  Result<void> next();

  [[nodiscard]] bool valid() const noexcept { return current_ != nullptr; }
  [[nodiscard]] const BlockKey& key() const noexcept { return current_->key; }
  /// Good until the cursor moves.
  [[nodiscard]] std::string_view block() const {
    return {current_->at->value().data(), current_->at->value().size()};
  }
  [[nodiscard]] std::size_t input() const noexcept {
    return static_cast<std::size_t>(current_ - inputs_.data());
  }

  /// Last time of the main blocks of a series; moves the cursor: seek() afterwards. nullopt: it has
  /// none that can be found.
  std::optional<std::int64_t> last_main(std::uint32_t device, std::uint32_t series);

private:
  struct Input {
    std::string prefix;
    std::string end; ///< Of its keys; empty: the end of the family.
    rocksdb::Slice end_slice;
    rocksdb::ColumnFamilyHandle* family = nullptr;
    rocksdb::ReadOptions options; ///< Refer to end_slice.
    std::unique_ptr<rocksdb::Iterator> at;
    BlockKey key;
    bool valid = false;
    std::uint32_t device = 0; ///< Of the last key that was read or sought.
  };

  Result<void> settle(Input& input);
  Result<void> pass_over(Input& input);
  bool readable_from(Input& input, std::uint32_t device);
  void choose();

  rocksdb::DB& db_;
  std::vector<Input> inputs_;
  OnUnreadable on_unreadable_;
  Input* current_ = nullptr;
};

} // namespace spate::storage
