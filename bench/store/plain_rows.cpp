#include "bench/store/plain_rows.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/statistics.h>
#include <rocksdb/table.h>

#include "engine/base/bytes.hpp"

namespace spate::bench {

namespace {

constexpr std::size_t kDeviceBytes = 4;
constexpr std::int64_t kNsPerMs = 1'000'000;

void must(const rocksdb::Status& status) {
  if (!status.ok()) {
    std::fprintf(stderr, "control: %s\n", status.ToString().c_str());
    std::_Exit(1);
  }
}

} // namespace

PlainRows::PlainRows(const std::string& path) {
  options_.create_if_missing = true;
  options_.compression = rocksdb::kLZ4Compression;
  options_.bottommost_compression = rocksdb::kZSTD;
  options_.compaction_style = rocksdb::kCompactionStyleUniversal;
  options_.write_buffer_size = 32u << 20;
  options_.max_write_buffer_number = 4;
  options_.max_background_jobs = 2;
  options_.allow_concurrent_memtable_write = false; // There is one writer.
  options_.memtable_insert_with_hint_prefix_extractor.reset(
      rocksdb::NewFixedPrefixTransform(kDeviceBytes));
  options_.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(kDeviceBytes));
  options_.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options_.statistics = rocksdb::CreateDBStatistics();
  options_.statistics->set_stats_level(rocksdb::StatsLevel::kExceptHistogramOrTimers);
  rocksdb::BlockBasedTableOptions table;
  table.block_size = 16u << 10;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = false;
  options_.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::DB* db = nullptr;
  must(rocksdb::DB::Open(options_, path, &db));
  db_.reset(db);
}

void PlainRows::commit(const model::TelemetryBlock& block,
                       const std::vector<std::uint32_t>& devices) {
  batch_.Clear();
  for (std::size_t i = 0; i < block.messages.size(); ++i) {
    const model::Message& message = block.messages[i];
    const model::Row& row = block.rows[message.rows_begin];
    key_.clear();
    put_be(key_, devices[i]);
    put_be(key_, static_cast<std::uint64_t>(row.time_ns));
    put_be(key_, std::uint16_t{0});
    value_.clear();
    value_.push_back(static_cast<char>(row.source));
    put_varint(value_, zigzag(message.received_ms - row.time_ns / kNsPerMs));
    value_.append(block.values_of(row));
    must(batch_.Put(key_, value_));
  }
  must(db_->Write({}, &batch_));
}

void PlainRows::settle() {
  must(db_->Flush({}));
  const auto value = [this](const char* name) {
    std::uint64_t number = 0;
    db_->GetIntProperty(name, &number);
    return number;
  };
  while (value("rocksdb.compaction-pending") != 0 ||
         value("rocksdb.num-running-compactions") != 0 ||
         value("rocksdb.num-running-flushes") != 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void PlainRows::take_written(Cost& cost) const {
  const rocksdb::Statistics& statistics = *options_.statistics;
  cost.wal_bytes = statistics.getTickerCount(rocksdb::WAL_FILE_BYTES);
  cost.flush_bytes = statistics.getTickerCount(rocksdb::FLUSH_WRITE_BYTES);
  cost.rewrite_bytes = statistics.getTickerCount(rocksdb::COMPACT_WRITE_BYTES);
}

std::uint64_t PlainRows::count() const {
  rocksdb::ReadOptions read;
  read.total_order_seek = true;
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(read));
  std::uint64_t rows = 0;
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    ++rows;
  }
  must(at->status());
  return rows;
}

} // namespace spate::bench
