// Spate - small files and directories of a backup, durably; and its BackupEngines.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <rocksdb/utilities/backup_engine.h>

#include "engine/base/result.hpp"

namespace spate::storage {

[[nodiscard]] std::string manifests_path(const std::string& target);

/// Error: storage_io.
Result<std::string> read_small_file(const std::string& path);
/// Written beside, synced, renamed, and the directory synced. Errors: storage_io, storage_full.
Result<void> write_durably(const std::string& path, std::string_view bytes);
/// Errors: storage_io.
Result<void> sync_path(const std::string& path);
/// The directory and every file in it; not below. Error: storage_io.
Result<void> sync_files(const std::string& directory);

/// Of the databases in `directory`. It has no log file: where the disk is full, RocksDB's asserts
/// would end the process.
[[nodiscard]] rocksdb::BackupEngineOptions engine_options(const std::string& directory,
                                                          std::uint64_t bytes_per_second_max);
/// Errors as error_of().
Result<std::unique_ptr<rocksdb::BackupEngine>> open_engine(const std::string& directory,
                                                           std::uint64_t bytes_per_second_max);
Result<std::unique_ptr<rocksdb::BackupEngineReadOnly>>
open_engine_to_read(const std::string& directory);

} // namespace spate::storage
