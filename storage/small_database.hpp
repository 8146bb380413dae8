// Spate - a RocksDB of one column family beside the telemetry: how it is set up, opened and read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <rocksdb/db.h>
#include <rocksdb/slice_transform.h>

#include "engine/base/result.hpp"
#include "storage/rocks_options.hpp"

namespace spate::storage {

/// The same in all of them, so that none is taken for another by its keys alone.
inline constexpr std::string_view kSmallFormatKey = "mformat";
inline constexpr std::string_view kSmallTotalsKey = "mtotals";

struct SmallDatabaseKind {
  std::uint32_t format = 0;    ///< Another one is refused.
  std::string_view holds;      ///< For people: "commands".
  std::string first_totals;    ///< Of a new one.
  std::size_t cache_bytes = 0; ///< Blocks, filters and indexes.
  /// In its domain: keys that mostly come in order behind the same prefix; null: none do.
  std::shared_ptr<const rocksdb::SliceTransform> in_order = nullptr;
};

/// Replays the write-ahead log and syncs what it held. `create`: also a new one. `on_error` hears
/// of failures in the background, from RocksDB's threads. Memory: cache and memtables, however much
/// it holds. Errors: storage_io, storage_full, storage_corrupt, storage_format; the detail names
/// the directory.
Result<std::unique_ptr<rocksdb::DB>>
open_small_database(const std::string& path, rocksdb::Env* env, bool create,
                    const SmallDatabaseKind& kind,
                    std::function<void(const rocksdb::Status&)> on_error);

[[nodiscard]] inline rocksdb::Slice slice_of(std::string_view text) noexcept {
  return {text.data(), text.size()};
}

} // namespace spate::storage
