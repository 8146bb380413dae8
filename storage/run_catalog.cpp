#include "storage/run_catalog.hpp"

#include <algorithm>
#include <memory>

#include <rocksdb/convenience.h>
#include <rocksdb/metadata.h>
#include <rocksdb/write_batch.h>

#include "engine/base/bytes.hpp"
#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

constexpr std::uint8_t kRunFormat = 1;

std::int64_t wrapping_add(std::int64_t a, std::int64_t b) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
std::int64_t wrapping_subtract(std::int64_t a, std::int64_t b) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

/// The run of a file by its smallest key. False: it holds no run.
bool run_of(const rocksdb::SstFileMetaData& file, std::uint32_t& run) noexcept {
  if (file.smallestkey.size() < kRunKeyBytes) {
    return false;
  }
  run = get_be<std::uint32_t>(file.smallestkey.data());
  return true;
}

template <class Use>
void each_file(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, Use use) {
  rocksdb::ColumnFamilyMetaData meta;
  db.GetColumnFamilyMetaData(family, &meta);
  for (const auto& level : meta.levels) {
    for (const auto& file : level.files) {
      use(file);
    }
  }
}

} // namespace

namespace catalog {

std::string generation_key(std::uint64_t generation) {
  std::string key(1, kGeneration);
  put_be(key, generation);
  return key;
}
std::string run_key(std::uint32_t run) {
  std::string key(1, kRun);
  put_be(key, run);
  return key;
}

} // namespace catalog

std::string run_prefix(std::uint32_t run) {
  std::string prefix;
  put_be(prefix, run);
  return prefix;
}

void encode(const Run& run, std::string& out) {
  out.push_back(static_cast<char>(kRunFormat));
  out.push_back(static_cast<char>(run.retention_class));
  out.push_back(static_cast<char>(run.level));
  put_svarint(out, run.from_ns);
  put_svarint(out, wrapping_subtract(run.to_ns, run.from_ns));
  put_svarint(out, wrapping_subtract(run.first_time_ns, run.from_ns));
  put_svarint(out, wrapping_subtract(run.last_time_ns, run.first_time_ns));
  put_svarint(out, run.last_received_ms);
  put_varint(out, run.last_sequence);
  put_varint(out, run.erased_through);
  for (const std::uint64_t number :
       {run.blocks, run.late_blocks, run.rows, run.readings, run.bytes}) {
    put_varint(out, number);
  }
}

Result<Run> decode_run(std::uint32_t number, std::string_view bytes) {
  ByteReader reader(bytes);
  Run run;
  run.number = number;
  const auto format = reader.be<std::uint8_t>();
  run.retention_class = reader.be<std::uint8_t>();
  run.level = reader.be<std::uint8_t>();
  run.from_ns = reader.svarint();
  run.to_ns = wrapping_add(run.from_ns, reader.svarint());
  run.first_time_ns = wrapping_add(run.from_ns, reader.svarint());
  run.last_time_ns = wrapping_add(run.first_time_ns, reader.svarint());
  run.last_received_ms = reader.svarint();
  run.last_sequence = reader.varint();
  run.erased_through = static_cast<decltype(run.erased_through)>(reader.varint());
  for (std::uint64_t* field :
       {&run.blocks, &run.late_blocks, &run.rows, &run.readings, &run.bytes}) {
    *field = reader.varint();
  }
  if (!reader.ok() || !reader.empty() || format != kRunFormat || run.from_ns >= run.to_ns ||
      !span_of(run).holds(run.first_time_ns) || !span_of(run).holds(run.last_time_ns) ||
      run.first_time_ns > run.last_time_ns) {
    return fail(Errc::storage_corrupt,
                "the entry of run " + std::to_string(number) + " in the catalog can not be read");
  }
  return run;
}

Result<Catalog> load_catalog(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* catalog_family) {
  Catalog out;
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  const std::unique_ptr<rocksdb::Iterator> at(db.NewIterator(options, catalog_family));
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    ByteReader key(view_of(at->key()));
    const auto letter = static_cast<char>(key.be<std::uint8_t>());
    if (letter == catalog::kGeneration) {
      out.folded.push_back(key.be<std::uint64_t>());
    } else if (letter == catalog::kRun) {
      auto run = decode_run(key.be<std::uint32_t>(), view_of(at->value()));
      if (!run) {
        return fail(std::move(run.error()));
      }
      out.runs.push_back(*run);
    } else {
      return fail(Errc::storage_corrupt, "the catalog of runs holds an unknown entry");
    }
    if (!key.ok() || !key.empty()) {
      return fail(Errc::storage_corrupt, "a key of the catalog of runs can not be read");
    }
  }
  if (!at->status().ok()) {
    return fail(error_of(at->status()));
  }
  return out;
}

rocksdb::Status forget_generations(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* catalog_family,
                                   const std::vector<std::uint64_t>& generations) {
  rocksdb::WriteBatch batch;
  for (const std::uint64_t generation : generations) {
    batch.Delete(catalog_family, catalog::generation_key(generation));
  }
  return batch.Count() == 0 ? rocksdb::Status::OK() : db.Write({}, &batch);
}

Result<std::uint32_t> remove_unnamed_runs(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* runs_family,
                                          const std::vector<Run>& runs) {
  std::vector<std::uint32_t> unnamed;
  std::uint32_t next = runs.empty() ? 1 : runs.back().number + 1;
  each_file(db, runs_family, [&](const rocksdb::SstFileMetaData& file) {
    std::uint32_t number = 0;
    if (!run_of(file, number)) {
      return;
    }
    next = std::max(next, number + 1);
    if (!std::binary_search(runs.begin(), runs.end(), Run{.number = number},
                            [](const Run& a, const Run& b) { return a.number < b.number; })) {
      unnamed.push_back(number);
    }
  });
  std::sort(unnamed.begin(), unnamed.end());
  unnamed.erase(std::unique(unnamed.begin(), unnamed.end()), unnamed.end());
  for (const std::uint32_t number : unnamed) {
    if (const auto removed = remove_run_files(db, runs_family, number); !removed) {
      return fail(removed.error());
    }
  }
  return next;
}

Result<bool> remove_run_files(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* runs_family,
                              std::uint32_t run) {
  const std::string begin = run_prefix(run);
  const std::string end = run_prefix(run + 1);
  const rocksdb::Slice from(begin);
  const rocksdb::Slice to(end);
  const rocksdb::RangePtr range(&from, &to);
  const auto status = rocksdb::DeleteFilesInRanges(&db, runs_family, &range, 1, false);
  if (!status.ok()) {
    return fail(error_of(status));
  }
  bool gone = true;
  each_file(db, runs_family, [&](const rocksdb::SstFileMetaData& file) {
    std::uint32_t number = 0;
    gone = gone && !(run_of(file, number) && number == run);
  });
  return gone;
}

} // namespace spate::storage
