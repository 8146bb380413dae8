// Spate - how RocksDB is set up, and its two ways of speaking to us: log lines and background
// errors.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include "engine/base/result.hpp"

namespace spate::storage {

struct RocksLimits {
  std::size_t log_bytes_max = 192u << 20; ///< As StoreOptions::log_bytes_max.
  std::size_t window_bytes = 32u << 20;
  std::size_t block_buffer_bytes = 16u << 20; ///< Memtable of the sealed blocks.
};

struct RocksOptions {
  rocksdb::DBOptions db;
  rocksdb::ColumnFamilyOptions meta;
  rocksdb::ColumnFamilyOptions rejections;
  rocksdb::ColumnFamilyOptions log;
  rocksdb::ColumnFamilyOptions generation; ///< Blocks as they are sealed.
  rocksdb::ColumnFamilyOptions runs;
  rocksdb::ColumnFamilyOptions catalog; ///< Which runs there are.
};

/// Bytes that flushes have written; shared with RocksDB's threads.
using FlushedBytes = std::shared_ptr<std::atomic<std::uint64_t>>;

/// What every database of ours has in common. `env` may be null. `on_background_error` is called
/// from RocksDB's threads.
[[nodiscard]] rocksdb::DBOptions
database_options(rocksdb::Env* env, const std::string& directory,
                 std::function<void(const rocksdb::Status&)> on_background_error,
                 FlushedBytes flushed = nullptr);

/// Arguments as database_options().
[[nodiscard]] RocksOptions
rocks_options(const RocksLimits& limits, rocksdb::Env* env, const std::string& directory,
              std::function<void(const rocksdb::Status&)> on_background_error,
              FlushedBytes flushed);

/// A new column family. After an error there is no handle: RocksDB 9 gives one when only its
/// OPTIONS file could not be written, and would abort if it were open when the database closes.
[[nodiscard]] rocksdb::Status create_family(rocksdb::DB& db,
                                            const rocksdb::ColumnFamilyOptions& options,
                                            const std::string& name,
                                            rocksdb::ColumnFamilyHandle*& handle);

/// Takes one DisableFileDeletions() back.
[[nodiscard]] rocksdb::Status allow_file_deletions(rocksdb::DB& db);

/// What failed and why, for people: "fdatasync: Input/output error".
[[nodiscard]] std::string describe(const rocksdb::Status& status);
/// Whether the disk is full, also where RocksDB has wrapped that into another error.
[[nodiscard]] bool is_no_space(const rocksdb::Status& status);
/// storage_full, storage_corrupt (a checksum does not hold) or storage_io.
[[nodiscard]] Error error_of(const rocksdb::Status& status);

[[nodiscard]] inline std::string_view view_of(const rocksdb::Slice& slice) noexcept {
  return {slice.data(), slice.size()};
}

} // namespace spate::storage
