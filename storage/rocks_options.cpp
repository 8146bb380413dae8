#include "storage/rocks_options.hpp"

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <utility>

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>

#include "engine/base/clock.hpp"
#include "engine/base/log.hpp"
#include "storage/keys.hpp"

namespace spate::storage {

namespace {

constexpr std::string_view kNoSpace = "No space left on device";

/// Debian's RocksDB has its asserts on, and its own LOG file meeting a full disk ends the process
/// by one of them. So it gets no file: warnings go to our log.
class ForwardingLogger final : public rocksdb::Logger {
public:
  explicit ForwardingLogger(std::string directory)
      : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL), directory_(std::move(directory)) {}

  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    Logv(rocksdb::InfoLogLevel::INFO_LEVEL, format, arguments);
  }
  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    if (level < rocksdb::InfoLogLevel::WARN_LEVEL || level > rocksdb::InfoLogLevel::FATAL_LEVEL) {
      return;
    }
    char line[512];
    std::vsnprintf(line, sizeof line, format, arguments);
    std::string_view text = line;
    text = text.substr(0, text.find_last_not_of(" \n") + 1);
    if (text.find("File Deletions ") != std::string_view::npos) {
      return; // Each backup makes two, and they mean nothing.
    }
    if (text.find("without unique ID to verify") != std::string_view::npos) {
      return; // Of files that were ingested: they never have one.
    }
    if (text.find(": dropping ") != std::string_view::npos) {
      log::warn("log-cut",
                "the write-ahead log can not be read to its end. After a power cut or a kill that "
                "is what nobody was told is stored; otherwise the disk has lost data",
                {{"data_dir", std::string_view(directory_)}, {"reason", text}});
      return;
    }
    log::write(level == rocksdb::InfoLogLevel::WARN_LEVEL ? log::Level::warn : log::Level::error,
               "rocksdb", text, {{"data_dir", std::string_view(directory_)}});
  }

private:
  const std::string directory_;
};

constexpr std::int64_t kWarningPauseNs = 60'000'000'000;
constexpr std::size_t kBlockCacheBytes = 32u << 20;
constexpr std::size_t kMetaBufferBytes = 4u << 20;
constexpr int kFilterBits = 10;
constexpr std::size_t kRunBlockBytes = 32u << 10;
constexpr int kOpenFilesMax = 512;

/// Files that are not synced line by line go to the disk in small steps: a sync beside them else
/// waits for megabytes.
constexpr std::uint64_t kBytesPerSync = 256u << 10;

/// RocksDB 9 has no argument for it.
template <class Database>
auto allow_deletions(Database& db, int) -> decltype(db.EnableFileDeletions(false)) {
  return db.EnableFileDeletions(false);
}
template <class Database>
auto allow_deletions(Database& db, long) -> decltype(db.EnableFileDeletions()) {
  return db.EnableFileDeletions();
}

class Listener final : public rocksdb::EventListener {
public:
  Listener(std::function<void(const rocksdb::Status&)> on_error, FlushedBytes flushed)
      : on_error_(std::move(on_error)), flushed_(std::move(flushed)) {}

  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo& info) override {
    if (flushed_ != nullptr) {
      const auto& file = info.table_properties;
      flushed_->fetch_add(file.data_size + file.index_size + file.filter_size,
                          std::memory_order_relaxed);
    }
  }

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* status) override {
    if (reason == rocksdb::BackgroundErrorReason::kCompaction ||
        status->severity() < rocksdb::Status::Severity::kHardError) {
      // Nothing that was written is in doubt: the files that went in are still there. Set to OK, so
      // that RocksDB goes on flushing and tries again.
      std::int64_t due = warning_due_ns_.load(std::memory_order_relaxed);
      const std::int64_t now = steady_ns();
      if (now >= due && warning_due_ns_.compare_exchange_strong(due, now + kWarningPauseNs)) {
        log::warn("rocksdb-background", describe(*status));
      }
      *status = rocksdb::Status::OK();
      return;
    }
    on_error_(*status);
  }
  /// Recovery in place (Resume) trips over an assert: the directory is closed and opened instead.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

private:
  const std::function<void(const rocksdb::Status&)> on_error_;
  const FlushedBytes flushed_;
  std::atomic<std::int64_t> warning_due_ns_{0};
};

} // namespace

rocksdb::DBOptions database_options(rocksdb::Env* env, const std::string& directory,
                                    std::function<void(const rocksdb::Status&)> on_background_error,
                                    FlushedBytes flushed) {
  rocksdb::DBOptions db;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  if (env != nullptr) {
    db.env = env;
  }
  db.info_log = std::make_shared<ForwardingLogger>(directory);
  db.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  db.listeners.push_back(
      std::make_shared<Listener>(std::move(on_background_error), std::move(flushed)));
  db.max_bgerror_resume_count = 0;
  db.max_background_jobs = 2;
  db.bytes_per_sync = kBytesPerSync;
  db.max_open_files = kOpenFilesMax;
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // What replay reads may lie in the page cache only, after a failed sync or a kill. It becomes
  // synced files here: a repeat of it is acknowledged without another write.
  db.avoid_flush_during_recovery = false;
  db.allow_concurrent_memtable_write = false; // There is one writer.
  db.enable_write_thread_adaptive_yield = false;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.skip_stats_update_on_db_open = true;
  return db;
}

RocksOptions rocks_options(const RocksLimits& limits, rocksdb::Env* env,
                           const std::string& directory,
                           std::function<void(const rocksdb::Status&)> on_background_error,
                           FlushedBytes flushed) {
  RocksOptions options;
  options.db = database_options(env, directory, std::move(on_background_error), std::move(flushed));
  // A lower bound flushes windows that hold unsealed rows, which are dropped unread soon after.
  options.db.max_total_wal_size = 4 * limits.log_bytes_max + 4 * limits.window_bytes;

  rocksdb::BlockBasedTableOptions table;
  table.block_size = 16u << 10;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3; // Debian's build has no CRC instructions.
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  options.meta.write_buffer_size = kMetaBufferBytes;
  options.meta.max_write_buffer_number = 4;
  options.meta.compression = rocksdb::kLZ4Compression;
  options.meta.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.rejections = options.meta;

  options.log.write_buffer_size = std::max<std::size_t>(8u << 20, 4 * limits.window_bytes);
  options.log.max_write_buffer_number = 4;
  options.log.compression = rocksdb::kNoCompression;
  options.log.disable_auto_compactions = true;
  options.log.level0_slowdown_writes_trigger = options.log.level0_stop_writes_trigger = 1 << 20;
  options.log.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));

  options.catalog = options.meta;

  rocksdb::BlockBasedTableOptions filtered = table;
  filtered.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBits));
  filtered.whole_key_filtering = false;
  options.generation.write_buffer_size = limits.block_buffer_bytes;
  options.generation.max_write_buffer_number = 4;
  options.generation.compression = rocksdb::kNoCompression; // Columns are packed already.
  // The fold rewrites all of it soon: until then there are as many files as there were flushes, and
  // nothing may wait for them to become fewer.
  options.generation.disable_auto_compactions = true;
  options.generation.level0_slowdown_writes_trigger = 1 << 20;
  options.generation.level0_stop_writes_trigger = 1 << 20;
  options.generation.prefix_extractor.reset(
      rocksdb::NewFixedPrefixTransform(sizeof(std::uint32_t))); // The device.
  options.generation.table_factory.reset(rocksdb::NewBlockBasedTableFactory(filtered));

  filtered.block_size = kRunBlockBytes;
  options.runs.compression =
      rocksdb::kZSTD; // Where it gains less than an eighth, RocksDB leaves it.
  options.runs.disable_auto_compactions = true; // Files never overlap.
  options.runs.level0_slowdown_writes_trigger = options.runs.level0_stop_writes_trigger = 1 << 20;
  options.runs.prefix_extractor.reset(
      rocksdb::NewFixedPrefixTransform(kRunKeyBytes + sizeof(std::uint32_t))); // Run and device.
  options.runs.table_factory.reset(rocksdb::NewBlockBasedTableFactory(filtered));
  return options;
}

rocksdb::Status create_family(rocksdb::DB& db, const rocksdb::ColumnFamilyOptions& options,
                              const std::string& name, rocksdb::ColumnFamilyHandle*& handle) {
  handle = nullptr;
  const auto status = db.CreateColumnFamily(options, name, &handle);
  if (!status.ok() && handle != nullptr) {
    db.DestroyColumnFamilyHandle(handle).PermitUncheckedError();
    handle = nullptr;
  }
  return status;
}

rocksdb::Status allow_file_deletions(rocksdb::DB& db) {
  return allow_deletions(db, 0);
}

std::string describe(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  const auto holds = [&text](std::string_view part) {
    return text.find(part) != std::string::npos;
  };
  const std::string what = holds("datasync") || holds("fsync") || holds("sync") ? "fdatasync: "
                           : holds("append") || holds("write")                  ? "write: "
                                                                                : "";
  if (is_no_space(status)) {
    return what + std::string(kNoSpace);
  }
  constexpr std::string_view kIoError = "Input/output error";
  return holds(kIoError) ? what + std::string(kIoError) : text;
}

bool is_no_space(const rocksdb::Status& status) {
  return status.IsNoSpace() || status.ToString().find(kNoSpace) != std::string::npos;
}

Error error_of(const rocksdb::Status& status) {
  const Errc code = is_no_space(status)     ? Errc::storage_full
                    : status.IsCorruption() ? Errc::storage_corrupt
                                            : Errc::storage_io;
  return {code, describe(status)};
}

} // namespace spate::storage
