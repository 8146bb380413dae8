// Reading backups: verification, restoring; and databases that no process has open.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include <unistd.h>

#include <rocksdb/db.h>

#include "engine/model/shape.hpp"
#include "storage/backup.hpp"
#include "storage/backup_files.hpp"
#include "storage/directory_format.hpp"
#include "storage/manifest_check.hpp"
#include "storage/rocks_options.hpp"
#include "storage/store.hpp"

namespace spate::storage {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPage = 1000;
constexpr std::uint64_t kEntriesATime = 1u << 16;

tl::unexpected<Error> named(const std::string& name, Error error) {
  error.detail = name + ": " + error.detail;
  return fail(std::move(error));
}

void tell(const BackupWatch& watch, const std::string& step, std::uint64_t done,
          std::uint64_t total) {
  if (watch.progress) {
    watch.progress({step, done, total});
  }
}
Result<void> check_cancelled(const BackupWatch& watch) {
  if (watch.cancelled && watch.cancelled()) {
    return fail(Errc::storage_unavailable, "given up");
  }
  return {};
}

/// A database with all its column families, opened without knowing what they are for.
class PlainDatabase {
public:
  static Result<std::unique_ptr<PlainDatabase>> open(const std::string& path, bool to_read) {
    if (auto sound = check_manifest(path); !sound) {
      return fail(std::move(sound.error()));
    }
    if (const auto damaged = find_damaged_logs(path); !damaged.empty()) {
      return fail(Errc::storage_corrupt, path + ": a record of the write-ahead log is damaged: " +
                                             damaged.front().place());
    }
    rocksdb::DBOptions options = database_options(nullptr, path, [](const rocksdb::Status&) {});
    options.create_if_missing = false;
    options.create_missing_column_families = false;
    options.avoid_flush_during_recovery = true;
    std::vector<std::string> names;
    if (const auto listed = rocksdb::DB::ListColumnFamilies(options, path, &names); !listed.ok()) {
      return named(path, error_of(listed));
    }
    rocksdb::ColumnFamilyOptions family;
    family.disable_auto_compactions = true;
    family.level0_slowdown_writes_trigger = family.level0_stop_writes_trigger = 1 << 20;
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) {
      families.emplace_back(name, family);
    }
    std::unique_ptr<PlainDatabase> made(new PlainDatabase);
    rocksdb::DB* db = nullptr;
    const auto opened =
        to_read ? rocksdb::DB::OpenForReadOnly(options, path, families, &made->handles_, &db)
                : rocksdb::DB::Open(options, path, families, &made->handles_, &db);
    if (!opened.ok()) {
      return named(path, error_of(opened));
    }
    made->db_.reset(db);
    return made;
  }
  ~PlainDatabase() {
    for (auto* handle : handles_) {
      db_->DestroyColumnFamilyHandle(handle);
    }
  }
  PlainDatabase(const PlainDatabase&) = delete;
  PlainDatabase& operator=(const PlainDatabase&) = delete;

  [[nodiscard]] rocksdb::DB& db() const noexcept { return *db_; }

  /// Reads every entry and compares the checksums of what it lies in. Gives the number of entries.
  Result<std::uint64_t> read_all(const BackupWatch& watch) const {
    rocksdb::ReadOptions options;
    options.total_order_seek = true;
    options.fill_cache = false;
    options.verify_checksums = true;
    std::uint64_t entries = 0;
    for (auto* handle : handles_) {
      const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options, handle));
      for (at->SeekToFirst(); at->Valid(); at->Next()) {
        if (++entries % kEntriesATime == 0) {
          if (auto going_on = check_cancelled(watch); !going_on) {
            return fail(std::move(going_on.error()));
          }
        }
      }
      if (!at->status().ok()) {
        return named(handle->GetName(), error_of(at->status()));
      }
    }
    return entries;
  }

private:
  PlainDatabase() = default;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

/// Held while a backup is read, so that none is removed meanwhile; a target that can not be written
/// to needs none.
Result<std::optional<DirectoryLock>> lock_target(const std::string& target) {
  auto lock = DirectoryLock::take(target);
  if (lock) {
    return std::optional<DirectoryLock>(std::move(*lock));
  }
  if (lock.error().code == Errc::storage_locked) {
    return fail(Errc::storage_locked, "another backup is being made or read in " + target);
  }
  return std::optional<DirectoryLock>();
}

Result<void> restore_part(const std::string& target, const BackupPart& part,
                          const std::string& database, const BackupWatch& watch) {
  const std::string from = target + "/" + part.name;
  tell(watch, "restore " + part.name, 0, part.bytes);
  auto engine = open_engine_to_read(from);
  if (!engine) {
    return named(from, std::move(engine.error()));
  }
  if (auto made = make_directory(database); !made) {
    return made;
  }
  const auto restored = (*engine)->RestoreDBFromBackup(part.number, database, database);
  if (!restored.ok()) {
    Error error = error_of(restored);
    if (restored.IsNotFound()) {
      error.code = Errc::storage_corrupt;
    }
    return named(from, std::move(error));
  }
  tell(watch, "restore " + part.name, part.bytes, part.bytes);
  return sync_files(database);
}

/// All but the file `format`, without which no node opens a directory.
Result<void> restore_parts(const std::string& target, const BackupInfo& info,
                           const std::vector<std::string>& data_dirs, const BackupWatch& watch) {
  std::size_t next = 0;
  for (const BackupPart& part : info.parts) {
    if (auto going_on = check_cancelled(watch); !going_on) {
      return going_on;
    }
    const std::string database = is_small_database(part.name) ? data_dirs.front() + "/" + part.name
                                                              : database_path(data_dirs[next++]);
    if (auto restored = restore_part(target, part, database, watch); !restored) {
      return restored;
    }
  }
  return {};
}

Result<void> write_formats(const BackupInfo& info, const std::vector<std::string>& data_dirs) {
  for (std::size_t i = 0; i < data_dirs.size(); ++i) {
    if (auto written = write_durably(data_dirs[i] + "/format", info.formats[i]); !written) {
      return written;
    }
  }
  return {};
}

/// Every record of every device, as readers get them.
Result<void> read_store(const BackupInfo& info, const std::vector<std::string>& data_dirs,
                        const BackupWatch& watch, BackupReport& report) {
  StoreOptions options;
  options.data_dirs = data_dirs;
  options.shards = static_cast<std::uint16_t>(info.shards);
  options.disk_free_min_bytes = 1;
  model::ShapeTable shapes;
  auto store = Store::open(options, shapes);
  if (!store) {
    return fail(std::move(store.error()));
  }
  for (const ShardHealth& shard : (*store)->health()) {
    if (!shard.ok) {
      return fail(Errc::storage_corrupt, shard.detail);
    }
  }
  std::string after;
  for (bool more = true; more;) {
    auto page = (*store)->devices(after, kPage);
    if (!page) {
      return fail(std::move(page.error()));
    }
    for (const DeviceInfo& device : page->devices) {
      ScanRequest scan;
      scan.device = device.id;
      scan.from_ns = INT64_MIN;
      for (bool rest = true; rest;) {
        auto records = (*store)->scan(scan);
        if (!records && records.error().code == Errc::device_unknown) {
          break; // Its only commit was not stored.
        }
        if (!records) {
          return fail(records.error().code, device.id + ": " + records.error().detail);
        }
        report.records += records->records.size();
        rest = records->more && !records->records.empty();
        if (rest) {
          scan.after = ScanPosition{records->records.back().time_ns, records->records.back().tie};
        }
        if (auto going_on = check_cancelled(watch); !going_on) {
          return going_on;
        }
      }
      ++report.devices;
    }
    more = page->more && !page->devices.empty();
    after = page->devices.empty() ? after : page->devices.back().id;
    tell(watch, "read records", report.records, 0);
  }
  return {};
}

class RemovedAtEnd {
public:
  explicit RemovedAtEnd(std::string path) : path_(std::move(path)) {}
  RemovedAtEnd(const RemovedAtEnd&) = delete;
  RemovedAtEnd& operator=(const RemovedAtEnd&) = delete;
  ~RemovedAtEnd() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

private:
  const std::string path_;
};

Result<void> verify_restored(const std::string& target, const BackupInfo& info,
                             const BackupWatch& watch, BackupReport& report) {
  const std::string copy = target + "/verify-" + text_of(info.id);
  std::error_code ignored;
  fs::remove_all(copy, ignored); // Of one that was killed.
  const RemovedAtEnd removed(copy);
  std::vector<std::string> data_dirs;
  for (std::size_t i = 0; i < info.formats.size(); ++i) {
    data_dirs.push_back(copy + "/" + std::to_string(i));
  }
  if (auto restored = restore_parts(target, info, data_dirs, watch); !restored) {
    return restored;
  }
  std::size_t next = 0;
  for (const BackupPart& part : info.parts) {
    tell(watch, "read " + part.name, 0, part.bytes);
    const std::string path = is_small_database(part.name) ? data_dirs.front() + "/" + part.name
                                                          : database_path(data_dirs[next++]);
    const auto database = PlainDatabase::open(path, true);
    if (!database) {
      return named(part.name, database.error());
    }
    if ((*database)->db().GetLatestSequenceNumber() < part.sequence) {
      return fail(Errc::storage_corrupt, part.name + ": the newest writes are missing");
    }
    const auto entries = (*database)->read_all(watch);
    if (!entries) {
      return named(part.name, entries.error());
    }
    report.entries += *entries;
    tell(watch, "read " + part.name, part.bytes, part.bytes);
  }
  if (auto written = write_formats(info, data_dirs); !written) {
    return written;
  }
  return read_store(info, data_dirs, watch, report);
}

Result<void> use_closed(const std::string& directory, const std::string& path,
                        const DatabaseUser& use) {
  auto lock = DirectoryLock::take(directory);
  if (!lock) {
    return fail(std::move(lock.error()));
  }
  const auto database = PlainDatabase::open(path, false);
  if (!database) {
    return fail(database.error());
  }
  return use(directory, (*database)->db(), [] { return false; });
}

} // namespace

BackupDatabases closed_databases(std::vector<std::string> data_dirs) {
  BackupDatabases out;
  out.telemetry = [data_dirs](const DatabaseUser& use) -> Result<void> {
    for (const std::string& directory : data_dirs) {
      if (!has_database(directory)) { // Before the lock, which would make the directory.
        return fail(Errc::usage, directory + " is no data directory of a store");
      }
      if (auto used = use_closed(directory, database_path(directory), use); !used) {
        return used;
      }
    }
    return {};
  };
  for (const std::string_view name : kSmallDatabases) {
    const std::string path = data_dirs.empty() ? "" : data_dirs.front() + "/" + std::string(name);
    if (!path.empty() && has_database_at(path)) {
      out.small.emplace_back(name, [directory = data_dirs.front(), path](const DatabaseUser& use) {
        return use_closed(directory, path, use);
      });
    }
  }
  return out;
}

Result<BackupReport> verify_backup(const std::string& target, const BackupInfo& info, bool quick,
                                   const BackupWatch& watch) {
  auto lock = lock_target(target);
  if (!lock) {
    return fail(std::move(lock.error()));
  }
  BackupReport report;
  for (const BackupPart& part : info.parts) {
    if (auto going_on = check_cancelled(watch); !going_on) {
      return fail(std::move(going_on.error()));
    }
    tell(watch, "check " + part.name, 0, part.bytes);
    const std::string path = target + "/" + part.name;
    auto engine = open_engine_to_read(path);
    if (!engine) {
      return named(path, std::move(engine.error()));
    }
    if (const auto sound = (*engine)->VerifyBackup(part.number, true); !sound.ok()) {
      return fail(Errc::storage_corrupt, path + ": " + sound.ToString());
    }
    report.files += part.files;
    report.bytes += part.bytes;
    tell(watch, "check " + part.name, part.bytes, part.bytes);
  }
  if (!quick) {
    if (auto sound = verify_restored(target, info, watch, report); !sound) {
      return fail(std::move(sound.error()));
    }
  }
  return report;
}

Result<void> restore_backup(const std::string& target, const BackupInfo& info,
                            const std::vector<std::string>& data_dirs, const BackupWatch& watch) {
  auto target_lock = lock_target(target);
  if (!target_lock) {
    return fail(std::move(target_lock.error()));
  }
  if (data_dirs.size() != info.formats.size()) {
    return fail(Errc::usage, "the store had " + std::to_string(info.formats.size()) +
                                 " data directories: give --data-dir for each, in their order");
  }
  std::vector<DirectoryLock> locks;
  for (const std::string& directory : data_dirs) {
    auto lock = DirectoryLock::take(directory);
    if (!lock) {
      return fail(std::move(lock.error()));
    }
    locks.push_back(std::move(*lock));
    const auto format = read_format(directory);
    if (!format || *format) {
      return fail(Errc::storage_format, directory + " is not empty: restore into new directories");
    }
  }
  auto restored = restore_parts(target, info, data_dirs, watch);
  if (restored) {
    restored = write_formats(info, data_dirs);
  }
  if (!restored) {
    std::error_code ignored;
    for (const std::string& directory : data_dirs) {
      fs::remove(directory + "/format", ignored);
      fs::remove_all(database_path(directory), ignored);
      for (const std::string_view name : kSmallDatabases) {
        fs::remove_all(directory + "/" + std::string(name), ignored);
      }
    }
  }
  return restored;
}

} // namespace spate::storage
