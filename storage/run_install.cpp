#include "storage/run_install.hpp"

#include <map>
#include <optional>

#include <rocksdb/sst_file_writer.h>

#include "storage/run_catalog.hpp"
#include "storage/run_writer.hpp"

namespace spate::storage {

namespace {

/// The change as a file of the catalog.
rocksdb::Status write_catalog(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family,
                              const std::string& path, const RunChange& change) {
  std::map<std::string, std::optional<std::string>> entries; // Files are written in order.
  for (const std::uint64_t generation : change.generations_dropped) {
    entries[catalog::generation_key(generation)] = std::nullopt;
  }
  for (const std::uint64_t generation : change.generations_gone) {
    entries[catalog::generation_key(generation)] = std::string();
  }
  for (const std::uint32_t run : change.runs_gone) {
    entries[catalog::run_key(run)] = std::nullopt;
  }
  for (const Run& run : change.runs_new) {
    std::string bytes;
    encode(run, bytes);
    entries[catalog::run_key(run.number)] = std::move(bytes);
  }
  const rocksdb::Options options = file_options(db, family);
  rocksdb::SstFileWriter writer(rocksdb::EnvOptions(options), options);
  auto status = writer.Open(path);
  for (const auto& [key, bytes] : entries) {
    if (status.ok()) {
      status = bytes ? writer.Put(key, *bytes) : writer.Delete(key);
    }
  }
  return status.ok() ? writer.Finish() : status;
}

} // namespace

rocksdb::Status install(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* runs_family,
                        rocksdb::ColumnFamilyHandle* catalog_family, const std::string& directory,
                        const RunChange& change) {
  const std::string path = directory + "/catalog.sst";
  auto status = write_catalog(db, catalog_family, path, change);
  if (status.ok()) {
    // Else the ingest would do it while it holds up all commits.
    status = db.Flush({}, catalog_family);
  }
  if (status.ok()) {
    rocksdb::IngestExternalFileArg runs;
    runs.column_family = runs_family;
    runs.external_files = change.paths;
    runs.options.move_files = true;
    runs.options.write_global_seqno = false;          // It is kept in the manifest.
    runs.options.fail_if_not_bottommost_level = true; // From level 0 files can not be removed.
    rocksdb::IngestExternalFileArg catalog = runs;
    catalog.column_family = catalog_family;
    catalog.external_files = {path};
    catalog.options.fail_if_not_bottommost_level = false;
    std::vector<rocksdb::IngestExternalFileArg> arguments{catalog};
    if (!change.paths.empty()) {
      arguments.push_back(runs);
    }
    status = db.IngestExternalFiles(arguments);
  }
  (void)db.GetEnv()->DeleteFile(path);
  return status;
}

} // namespace spate::storage
