#include "storage/small_database.hpp"

#include <utility>

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include "storage/manifest_check.hpp"
#include "storage/value_codec.hpp"

namespace spate::storage {

namespace {

// Together with the cache they bound the memory.
constexpr std::size_t kBufferBytes = 4u << 20;
constexpr int kBuffers = 4; ///< The third and fourth only while flushes are slower than writes.
constexpr int kOpenFilesMax = 128;
constexpr int kFilterBits = 10;

rocksdb::Options make_options(const std::string& path, rocksdb::Env* env, bool create,
                              const SmallDatabaseKind& kind,
                              std::function<void(const rocksdb::Status&)> on_error) {
  rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = kBufferBytes;
  family.max_write_buffer_number = kBuffers;
  family.compression = rocksdb::kLZ4Compression;
  family.memtable_insert_with_hint_prefix_extractor = kind.in_order;
  family.target_file_size_base = 4 * kBufferBytes;
  // A write is not to wait for compaction: that many small files only make reads slower.
  family.level0_slowdown_writes_trigger = 64;
  family.level0_stop_writes_trigger = 1 << 20;
  rocksdb::BlockBasedTableOptions table;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  table.block_cache = rocksdb::NewLRUCache(kind.cache_bytes, 2);
  // Filters and indexes grow with the entries: they live in the cache too, in pieces. Those that
  // are asked for often stay there, so that what is not there costs no read.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBits));
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.cache_index_and_filter_blocks = true;
  table.pin_top_level_index_and_filter = true;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::DBOptions db = database_options(env, path, std::move(on_error));
  db.create_if_missing = create;
  db.max_open_files = kOpenFilesMax;
  return {db, family};
}

Error at_path(const std::string& path, Error error) {
  return {error.code, path + ": " + error.detail};
}

Result<void> check_format(rocksdb::DB& db, const std::string& path, const SmallDatabaseKind& kind) {
  std::string value;
  const auto found = db.Get({}, slice_of(kSmallFormatKey), &value);
  if (found.ok()) {
    const auto format = decode_format(value);
    if (format == kind.format) {
      return {};
    }
    return fail(Errc::storage_format,
                path + " was written in format " + (format ? std::to_string(*format) : "?") +
                    " and this version reads format " + std::to_string(kind.format) +
                    ": start the version that wrote it");
  }
  if (!found.IsNotFound()) {
    return fail(at_path(path, error_of(found)));
  }
  const std::unique_ptr<rocksdb::Iterator> any(db.NewIterator({}));
  any->SeekToFirst();
  if (any->Valid()) {
    return fail(Errc::storage_format,
                path + " holds something else than " + std::string(kind.holds));
  }
  // Also where the creation was interrupted.
  rocksdb::WriteBatch batch;
  batch.Put(slice_of(kSmallFormatKey), encode_format(kind.format));
  batch.Put(slice_of(kSmallTotalsKey), kind.first_totals);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  const auto written = db.Write(synced, &batch);
  if (!any->status().ok() || !written.ok()) {
    return fail(at_path(path, error_of(written.ok() ? any->status() : written)));
  }
  return {};
}

} // namespace

Result<std::unique_ptr<rocksdb::DB>>
open_small_database(const std::string& path, rocksdb::Env* env, bool create,
                    const SmallDatabaseKind& kind,
                    std::function<void(const rocksdb::Status&)> on_error) {
  if (auto sound = check_manifest(path); !sound) {
    return fail(std::move(sound.error()));
  }
  if (auto cut = cut_damaged_logs(path, path); !cut) {
    return fail(std::move(cut.error()));
  }
  rocksdb::DB* opened = nullptr;
  const auto status =
      rocksdb::DB::Open(make_options(path, env, create, kind, std::move(on_error)), path, &opened);
  if (!status.ok()) {
    return fail(at_path(path, error_of(status)));
  }
  std::unique_ptr<rocksdb::DB> db(opened);
  if (auto checked = check_format(*db, path, kind); !checked) {
    return fail(std::move(checked.error()));
  }
  return db;
}

} // namespace spate::storage
