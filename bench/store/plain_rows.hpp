// Spate bench - the control: one key a row in RocksDB, as one would do without thinking of time
// series, but with what makes that fast.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "bench/store/write_cost.hpp"
#include "engine/model/telemetry_block.hpp"

namespace spate::bench {

/// Key: BE32 device | BE64 time | BE16 shape; value: source, receive time behind the device's, row
/// bytes. Insert hints by device, universal compaction, LZ4 and at the bottom ZSTD: the best of
/// what was tried. Ends the process on an error.
class PlainRows {
public:
  explicit PlainRows(const std::string& path);
  /// As one batch. `devices`: number of the device of each message.
  void commit(const model::TelemetryBlock& block, const std::vector<std::uint32_t>& devices);
  /// Until nothing is left to flush or compact.
  void settle();
  void take_written(Cost& cost) const;
  [[nodiscard]] std::uint64_t count() const;
  void close() { db_.reset(); }

private:
  rocksdb::Options options_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::WriteBatch batch_;
  std::string key_;
  std::string value_;
};

} // namespace spate::bench
