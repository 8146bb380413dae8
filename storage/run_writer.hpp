// Spate - writes the blocks of a fold into the files of its runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/sst_file_writer.h>

#include "engine/base/result.hpp"
#include "storage/blocks_view.hpp"

namespace spate::storage {

struct RunFiles {
  rocksdb::Options options;          ///< From file_options(), of the column family `runs`.
  std::string directory;             ///< Exists; on the file system of the database.
  std::size_t bytes_max = 64u << 20; ///< Of a file.
};

/// What a run needs to know of a block beside its key.
struct BlockFacts {
  std::int64_t first_time_ns = 0;
  std::int64_t last_received_ms = 0;
  std::size_t rows = 0;
  std::size_t fields = 0;
};

/// Durable after finish(), but no part of the database: its files are ingested by whoever made it,
/// and deleted when it goes, if they are still there. One thread.
class RunWriter {
public:
  RunWriter(const RunFiles& files, std::uint32_t number, std::uint8_t retention_class);
  ~RunWriter();
  RunWriter(const RunWriter&) = delete;
  RunWriter& operator=(const RunWriter&) = delete;

  /// Blocks come in the order of their keys. Errors: storage_full, storage_io.
  Result<void> add(const BlockKey& key, std::string_view block, const BlockFacts& facts);
  /// Closes the last file. Errors as add().
  Result<void> finish();

  [[nodiscard]] std::uint64_t bytes() const noexcept;
  /// Without span, level and erasures, which its maker knows.
  [[nodiscard]] const Run& run() const noexcept { return run_; }
  [[nodiscard]] const std::vector<std::string>& paths() const noexcept { return paths_; }

private:
  Result<void> close_file();

  const RunFiles& files_;
  Run run_;
  std::vector<std::string> paths_;
  std::unique_ptr<rocksdb::SstFileWriter> writer_;
  std::string key_;
};

/// The options that files of a column family are written with outside of its database.
[[nodiscard]] rocksdb::Options file_options(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family);

} // namespace spate::storage
