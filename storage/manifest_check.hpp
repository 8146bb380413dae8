// Spate - damage in RocksDB's own logs that RocksDB takes for their end, and so drops in silence.
//
// MANIFEST and write-ahead logs are rows of records, each with a checksum, a length and a type. Two
// fields can be changed so that RocksDB stops reading without an error: a length that points behind
// the file's end looks like an append that a crash interrupted, and a type of a reused log file (we
// have none) looks like a record of the file's former life. In a MANIFEST that loses column
// families or files, so whole log windows or blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"

namespace spate::storage {

/// Looks at the MANIFEST that `database`/CURRENT names; before the database is opened, since that
/// writes a new one. What a crash leaves passes: a record that was cut anywhere, or zeros, at the
/// end. No database, or none that CURRENT names, passes too: RocksDB says better what is wrong.
/// Not found: a file that was cut exactly between two records, or whose last record is damaged
/// twice. Errors: storage_corrupt, storage_io.
Result<void> check_manifest(const std::string& database);

/// A write-ahead log in which a record's type was changed: RocksDB 7 replays it up to there and
/// says nothing, RocksDB 9 never comes back from it. Other damage of theirs it reports itself.
struct DamagedLog {
  std::string path;
  std::uint64_t position = 0;              ///< Where that record begins.
  [[nodiscard]] std::string place() const; ///< "000012.log at 1471", for people.
};
[[nodiscard]] std::vector<DamagedLog> find_damaged_logs(const std::string& database);

/// Ends these logs there, synced, so that the database can be opened: what is behind can not be
/// replayed in order. Says so in our log; `name` is the data directory's. Errors: storage_io.
Result<void> cut_damaged_logs(const std::string& database, std::string_view name);

} // namespace spate::storage
