// Spate - backups: copies of all databases of a store in one directory, made while it works.
//
// A target directory holds the backups of one store:
//   manifests/<id>   text, written and synced last: a backup without it does not exist
//   data0, data1...  one RocksDB BackupEngine a data directory; backups share their files
//   commands         the same of the command log
//   sessions         and of the store of sessions
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/base/uuid.hpp"
#include "storage/store.hpp"

namespace spate::storage {

inline constexpr std::uint32_t kBackupFormat = 1;

/// One database in a backup.
struct BackupPart {
  std::string name;           ///< Its directory below the target: data0, commands, sessions.
  std::uint32_t number = 0;   ///< Of the backup in its BackupEngine.
  std::uint64_t sequence = 0; ///< Newest write of the database before the copy began.
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

struct BackupInfo {
  Uuid id;
  std::int64_t created_ms = 0;
  std::string version; ///< Of the program that made it.
  std::uint64_t store = 0;
  std::uint32_t shards = 0;
  std::uint64_t new_bytes = 0; ///< That no earlier backup had.
  bool incremental = false;    ///< Shares files with an earlier one.
  std::vector<BackupPart> parts;
  std::vector<std::string> formats; ///< Text of each data directory's file `format`.

  [[nodiscard]] std::uint64_t size_bytes() const noexcept;
};

[[nodiscard]] std::string encode_manifest(const BackupInfo& info);
/// Errors: storage_corrupt, storage_format (another version).
Result<BackupInfo> decode_manifest(std::string_view text);

struct BackupProgress {
  std::string_view step; ///< "copy data0", "read data0".
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0; ///< 0: not known.
};
/// What the caller hears and says meanwhile. From the calling thread or one of RocksDB's, never
/// from two at once.
struct BackupWatch {
  std::function<void(const BackupProgress&)> progress; ///< May be empty.
  std::function<bool()> cancelled;                     ///< May be empty; true: give up.
};

/// Whose databases: Store::with_databases(), CommandLog::with_database() and that of SessionStore.
struct BackupDatabases {
  using Source = std::function<Result<void>(const DatabaseUser&)>;
  Source telemetry;                                  ///< In the order of creation.
  std::vector<std::pair<std::string, Source>> small; ///< By name, see kSmallDatabases.
};
/// Those of a store that no process has open. They are locked and opened one after the other. Data
/// directories in the order of creation.
[[nodiscard]] BackupDatabases closed_databases(std::vector<std::string> data_dirs);

struct BackupCreation {
  std::string target; ///< Made if it is not there.
  Uuid id;
  std::int64_t created_ms = 0;
  std::string version;
  std::size_t keep = 0;                   ///< Older ones go after this one is complete; 0: none.
  std::uint64_t bytes_per_second_max = 0; ///< 0: as fast as the disks can.
};
/// Each database as it was at one moment after the start: all that was acknowledged before it is in
/// it. Durable when it returns; until then it does not exist, and its remains are removed by the
/// next one. Writers go on; files that the store deletes stay until their database is copied.
/// Blocks for long. Errors: storage_locked (another one into this target), storage_format (the
/// target belongs to another store), storage_full, storage_io, storage_corrupt,
/// storage_unavailable (a data directory is closed, or it was cancelled).
Result<BackupInfo> create_backup(const BackupCreation& creation, const BackupDatabases& databases,
                                 const BackupWatch& watch);

/// Newest first; those whose manifest can not be read are left out and named in `damaged` if it is
/// given. Errors: storage_io (no such directory, too).
Result<std::vector<BackupInfo>> list_backups(const std::string& target,
                                             std::vector<std::string>* damaged = nullptr);
/// Without an id the newest. Errors: usage (there is none), storage_corrupt, storage_io.
Result<BackupInfo> find_backup(const std::string& target, const std::optional<Uuid>& id);

struct BackupReport {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t entries = 0; ///< Of all databases; 0 if it was a quick one, like the rest.
  std::uint64_t devices = 0;
  std::uint64_t records = 0;
};
/// Reads all its files and compares their checksums. Then, unless `quick`, restores it into a
/// temporary directory below the target, reads all of each database, opens the store and reads all
/// records. Errors: storage_corrupt (what is wrong with which file), storage_locked, storage_io,
/// storage_full, storage_unavailable (cancelled).
Result<BackupReport> verify_backup(const std::string& target, const BackupInfo& info, bool quick,
                                   const BackupWatch& watch);

/// Into directories that are new or empty, as many as the store had, in the same order; durable
/// when it returns. Checksums are compared. One that failed or was killed leaves nothing that a
/// node would open. Errors: usage (number of directories), storage_format (not empty),
/// storage_locked, storage_corrupt, storage_io, storage_full.
Result<void> restore_backup(const std::string& target, const BackupInfo& info,
                            const std::vector<std::string>& data_dirs, const BackupWatch& watch);

} // namespace spate::storage
