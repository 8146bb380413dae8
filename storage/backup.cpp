// Making backups, and the list of them.
#include "storage/backup.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <utility>

#include <rocksdb/db.h>

#include "storage/backup_files.hpp"
#include "storage/directory_format.hpp"
#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kProgressBytes = 1u << 20; ///< As engine_options() asks for.

tl::unexpected<Error> named(const std::string& name, Error error) {
  error.detail = name + ": " + error.detail;
  return fail(std::move(error));
}

using Closing = std::function<bool()>;

/// One backup being made.
class Making {
public:
  Making(const BackupCreation& creation, const BackupWatch& watch,
         const std::vector<BackupInfo>& earlier, bool removes_remains)
      : creation_(creation), watch_(watch), earlier_(earlier), removes_remains_(removes_remains) {
    info_.id = creation.id;
    info_.created_ms = creation.created_ms;
    info_.version = creation.version;
  }

  /// A data directory: its `format`, which must be of the store that the target knows, and its
  /// database.
  Result<void> add_directory(const std::string& path, rocksdb::DB& db, const Closing& closing) {
    const auto format = read_format(path);
    if (!format) {
      return fail(format.error());
    }
    auto text = read_small_file(path + "/format");
    if (!text || !*format) {
      return fail(Errc::storage_format, path + " has no file `format`");
    }
    if (!earlier_.empty() && earlier_.front().store != (*format)->store) {
      return fail(Errc::storage_format, creation_.target +
                                            " holds backups of another store: give each store a "
                                            "directory of its own");
    }
    info_.store = (*format)->store;
    info_.shards = (*format)->shards;
    directories_ = (*format)->count;
    info_.formats.push_back(std::move(*text));
    return copy("data" + std::to_string(info_.formats.size() - 1), db, closing);
  }

  Result<void> copy(const std::string& name, rocksdb::DB& db, const Closing& closing) {
    const std::string directory = creation_.target + "/" + name;
    if (auto made = make_directory(directory); !made) {
      return made;
    }
    auto engine = open_engine(directory, creation_.bytes_per_second_max);
    if (!engine) {
      return named(directory, std::move(engine.error()));
    }
    if (removes_remains_) {
      remove_remains(**engine, name);
    }
    BackupPart part{name};
    part.sequence = db.GetLatestSequenceNumber();
    rocksdb::CreateBackupOptions options;
    options.decrease_background_thread_cpu_priority = true;
    options.background_thread_cpu_priority = rocksdb::CpuPriority::kLow;
    const std::uint64_t total = live_bytes(db);
    std::uint64_t copied = 0;
    bool stopped = false;
    const auto given_up = [&] { return closing() || cancelled(); };
    options.progress_callback = [&] {
      copied += kProgressBytes;
      tell("copy " + name, std::min(copied, total), total);
      if (given_up() && !std::exchange(stopped, true)) {
        (*engine)->StopBackup();
      }
    };
    tell("copy " + name, 0, total);
    const std::uint64_t before = bytes_in(directory);
    const auto status = given_up() ? rocksdb::IOStatus::Aborted()
                                   : (*engine)->CreateNewBackup(options, &db, &part.number);
    if (!status.ok()) {
      if (given_up()) {
        return fail(Errc::storage_unavailable,
                    cancelled() ? "the backup was given up" : "the database is being closed");
      }
      return named(directory, error_of(status));
    }
    rocksdb::BackupInfo made;
    if (const auto got = (*engine)->GetBackupInfo(part.number, &made); !got.ok()) {
      return named(directory, error_of(got));
    }
    part.files = made.number_files;
    part.bytes = made.size;
    const std::uint64_t after = bytes_in(directory);
    // Without what the engine notes beside the files.
    info_.new_bytes += std::min(part.bytes, after - std::min(before, after));
    info_.parts.push_back(std::move(part));
    tell("copy " + name, total, total);
    return {};
  }

  Result<BackupInfo> finish() {
    if (info_.formats.size() != directories_) {
      return fail(Errc::usage, "the store has " + std::to_string(directories_) +
                                   " data directories, given were " +
                                   std::to_string(info_.formats.size()) +
                                   ": give --data-dir for each");
    }
    info_.incremental = info_.new_bytes + kProgressBytes < info_.size_bytes() && !earlier_.empty();
    if (auto written = write_durably(manifests_path(creation_.target) + "/" + text_of(info_.id),
                                     encode_manifest(info_));
        !written) {
      return fail(std::move(written.error()));
    }
    return info_;
  }

private:
  /// Of backups that were not finished, or whose manifest is gone.
  void remove_remains(rocksdb::BackupEngine& engine, const std::string& name) const {
    std::set<std::uint32_t> wanted;
    for (const BackupInfo& each : earlier_) {
      for (const BackupPart& part : each.parts) {
        if (part.name == name) {
          wanted.insert(part.number);
        }
      }
    }
    std::vector<rocksdb::BackupInfo> there;
    engine.GetBackupInfo(&there);
    std::vector<rocksdb::BackupID> corrupt;
    engine.GetCorruptedBackups(&corrupt);
    for (const rocksdb::BackupInfo& each : there) {
      corrupt.push_back(each.backup_id);
    }
    for (const rocksdb::BackupID each : corrupt) {
      if (wanted.count(each) == 0) {
        // What can not be removed now costs space only.
        engine.DeleteBackup(each).PermitUncheckedError();
      }
    }
    engine.GarbageCollect().PermitUncheckedError();
  }

  static std::uint64_t live_bytes(rocksdb::DB& db) {
    std::vector<rocksdb::LiveFileMetaData> files;
    db.GetLiveFilesMetaData(&files);
    std::uint64_t bytes = 0;
    for (const auto& file : files) {
      bytes += file.size;
    }
    return bytes;
  }
  static std::uint64_t bytes_in(const std::string& directory) {
    std::uint64_t bytes = 0;
    std::error_code error;
    for (fs::recursive_directory_iterator each(directory, error), end; !error && each != end;
         each.increment(error)) {
      std::error_code gone;
      if (each->is_regular_file(gone)) {
        const auto size = each->file_size(gone);
        bytes += gone ? 0 : size;
      }
    }
    return bytes;
  }
  [[nodiscard]] bool cancelled() const { return watch_.cancelled && watch_.cancelled(); }
  void tell(const std::string& step, std::uint64_t done, std::uint64_t total) const {
    if (watch_.progress) {
      watch_.progress({step, done, total});
    }
  }

  const BackupCreation& creation_;
  const BackupWatch& watch_;
  const std::vector<BackupInfo>& earlier_;
  const bool removes_remains_;
  BackupInfo info_;
  std::uint32_t directories_ = 0;
};

/// The manifest goes first: from then on the backup does not exist.
Result<void> remove_backup(const std::string& target, const BackupInfo& info) {
  const std::string manifest = manifests_path(target) + "/" + text_of(info.id);
  std::error_code error;
  fs::remove(manifest, error);
  if (error) {
    return fail(Errc::storage_io, manifest + ": " + error.message());
  }
  if (auto synced = sync_path(manifests_path(target)); !synced) {
    return synced;
  }
  for (const BackupPart& part : info.parts) {
    auto engine = open_engine(target + "/" + part.name, 0);
    if (!engine) {
      return named(target, std::move(engine.error()));
    }
    if (const auto removed = (*engine)->DeleteBackup(part.number); !removed.ok()) {
      return named(target, error_of(removed));
    }
  }
  return {};
}

} // namespace

Result<BackupInfo> create_backup(const BackupCreation& creation, const BackupDatabases& databases,
                                 const BackupWatch& watch) {
  auto lock = DirectoryLock::take(creation.target);
  if (!lock) {
    if (lock.error().code == Errc::storage_locked) {
      return fail(Errc::storage_locked,
                  "another backup is being made or read in " + creation.target);
    }
    return fail(std::move(lock.error()));
  }
  if (auto made = make_directory(manifests_path(creation.target)); !made) {
    return fail(std::move(made.error()));
  }
  std::vector<std::string> damaged;
  auto earlier = list_backups(creation.target, &damaged);
  if (!earlier) {
    return fail(std::move(earlier.error()));
  }
  // Files of a backup whose manifest is damaged stay: somebody may still want them.
  Making making(creation, watch, *earlier, damaged.empty());
  auto copied = databases.telemetry(
      [&making](const std::string& path, rocksdb::DB& db, const Closing& closing) {
        return making.add_directory(path, db, closing);
      });
  for (const auto& small : databases.small) {
    if (copied) {
      copied = small.second([&](const std::string&, rocksdb::DB& db, const Closing& closing) {
        return making.copy(small.first, db, closing);
      });
    }
  }
  if (!copied) {
    return fail(std::move(copied.error()));
  }
  auto made = making.finish();
  for (std::size_t i = creation.keep; made && creation.keep != 0 && i <= earlier->size(); ++i) {
    // The new one counts too, and the list is newest first.
    if (auto removed = remove_backup(creation.target, (*earlier)[i - 1]); !removed) {
      return fail(removed.error().code,
                  "the backup is complete, but an older one can not be removed: " +
                      removed.error().detail);
    }
  }
  return made;
}

Result<std::vector<BackupInfo>> list_backups(const std::string& target,
                                             std::vector<std::string>* damaged) {
  std::vector<BackupInfo> out;
  std::error_code error;
  if (!fs::is_directory(target, error)) {
    return fail(Errc::storage_io, target + ": no such directory");
  }
  if (!fs::exists(manifests_path(target), error)) {
    return out;
  }
  for (fs::directory_iterator each(manifests_path(target), error), end; !error && each != end;
       each.increment(error)) {
    const std::string name = each->path().filename().string();
    if (!parse_uuid(name)) {
      continue; // One that was being written.
    }
    const auto text = read_small_file(each->path().string());
    auto info = text ? decode_manifest(*text) : Result<BackupInfo>(fail(text.error()));
    if (info && text_of(info->id) == name) {
      out.push_back(std::move(*info));
    } else if (damaged != nullptr) {
      damaged->push_back(each->path().string() + ": " +
                         (info ? "the manifest is of another backup" : info.error().detail));
    }
  }
  if (error) {
    return fail(Errc::storage_io, target + ": " + error.message());
  }
  std::sort(out.begin(), out.end(),
            [](const BackupInfo& a, const BackupInfo& b) { return a.id > b.id; });
  return out;
}

Result<BackupInfo> find_backup(const std::string& target, const std::optional<Uuid>& id) {
  std::vector<std::string> damaged;
  auto all = list_backups(target, &damaged);
  if (!all) {
    return fail(std::move(all.error()));
  }
  for (BackupInfo& each : *all) {
    if (!id || each.id == *id) {
      return std::move(each);
    }
  }
  if (!damaged.empty()) {
    return fail(Errc::storage_corrupt, damaged.front());
  }
  return fail(Errc::usage,
              id ? target + " holds no backup " + text_of(*id) + "; see: spate backup ls"
                 : target + " holds no backup");
}

} // namespace spate::storage
