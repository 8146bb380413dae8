// Spate - damage in RocksDB's own logs that RocksDB takes for their end, and so drops in silence.
//
// MANIFEST and write-ahead logs are rows of records, each with a checksum, a length and a type. Two
// fields can be changed so that RocksDB stops reading without an error: a length that points behind
// the file's end looks like an append that a crash interrupted, and a type of a reused log file (we
// have none) looks like a record of the file's former life. In a MANIFEST that loses column
// families or files, so whole log windows or blocks.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.hpp"

namespace spate::storage {

/// Looks at the MANIFEST that `database`/CURRENT names; before the database is opened, since that
/// writes a new one. What a crash leaves passes: a record that was cut anywhere, or zeros, at the
/// end. No database, or none that CURRENT names, passes too: RocksDB says better what is wrong.
/// Not found: a file that was cut exactly between two records, or whose last record is damaged
/// twice. Errors: storage_corrupt, storage_io.
Result<void> check_manifest(const std::string& database);

/// The write-ahead logs in which a record's type was changed, with the place: "000012.log at 1471".
/// RocksDB replays them up to there and says nothing. Other damage of theirs it reports itself.
[[nodiscard]] std::vector<std::string> find_cut_logs(const std::string& database);

} // namespace spate::storage
