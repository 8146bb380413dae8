// Spate - turns the blocks of one turn into one WriteBatch, and into the changes to memory that
// follow it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <rocksdb/write_batch.h>

#include "engine/model/telemetry_block.hpp"
#include "storage/block_lookup.hpp"
#include "storage/blocks_view.hpp"
#include "storage/commit_queue.hpp"
#include "storage/directory_state.hpp"
#include "storage/log_codec.hpp"
#include "storage/rejection_ring.hpp"
#include "storage/repeat_index.hpp"

namespace spate::storage {

/// The column families that a commit writes to, beside the log.
struct Families {
  rocksdb::ColumnFamilyHandle* meta = nullptr;
  rocksdb::ColumnFamilyHandle* rejections = nullptr;
};
/// Where one commit puts its rows and its sealed blocks.
struct CommitTargets {
  rocksdb::ColumnFamilyHandle* log = nullptr;
  rocksdb::ColumnFamilyHandle* blocks = nullptr;
  BlockLookup lookup; ///< Of blocks sealed before.
};

struct CommitLimits {
  std::uint64_t devices_max = 1'000'000; ///< Of all data directories together.
  std::uint32_t shapes_per_device_max = 256;
  std::uint64_t device_series_max = 4'000'000; ///< Pairs in one data directory: each has a tail.
};

/// Flow:    build() -> the caller writes batch() -> apply(). If the write fails, the whole state is
/// thrown
///          away, so build() may already note in it what only the committer sees.
/// Thread:  committer.
class CommitBuilder {
public:
  /// All borrowed. `devices_total` counts the devices of all data directories.
  CommitBuilder(DirectoryState& state, RejectionRing& ring, const CommitLimits& limits,
                std::atomic<std::uint64_t>& devices_total);
  /// Before the first build().
  void attach(const Families& families) noexcept { families_ = families; }

  /// Decides what happens to each row (Row::outcome), fills the batch. Errors: storage_io,
  /// storage_corrupt from look-ups.
  Result<void> build(const Blocks& blocks, std::int64_t now_ms, const CommitTargets& targets);
  /// Puts the erasure into the commit to be built next, whose number becomes its sequence; tails of
  /// its device were given to DirectoryState::seal_next() before.
  void erase(Erasure& erasure);
  /// The next commit has an entry in the log, whatever it holds.
  void mark() noexcept { marked_ = true; }
  /// Lets go what it holds of the database.
  void release() { targets_ = {}; }
  /// Nothing is to be written: all rows are duplicates or refused without trace.
  [[nodiscard]] bool empty() const noexcept { return batch_.Count() == 0; }
  [[nodiscard]] rocksdb::WriteBatch& batch() noexcept { return batch_; }
  /// After the write: the rows become visible. State's mutex held.
  void apply();
  /// Fills Message::device of the blocks that were built.
  void name_devices(const Blocks& blocks) const noexcept;

  [[nodiscard]] std::size_t rows_stored() const noexcept { return accepted_.size(); }
  [[nodiscard]] std::size_t rows_duplicate() const noexcept { return duplicates_; }
  [[nodiscard]] std::size_t blocks_sealed() const noexcept { return blocks_sealed_; }
  /// Keys and values of the sealed blocks.
  [[nodiscard]] std::size_t sealed_bytes() const noexcept { return sealed_bytes_; }
  /// Rows looked at to find repeats, for tests: grows with the commit, not with its square.
  [[nodiscard]] std::size_t rows_compared() const noexcept { return rows_compared_; }
  [[nodiscard]] std::size_t log_bytes() const noexcept { return log_.bytes().size(); }
  [[nodiscard]] bool sealed() const noexcept { return !sealing_.empty(); }
  /// The commit has an entry in the log.
  [[nodiscard]] bool logged() const noexcept {
    return !accepted_.empty() || !seals_.empty() || marked_;
  }

private:
  struct Accepted {
    Tail* tail;
    Device* device;
    std::int64_t time_ns;
    std::int64_t received_ms;
    std::size_t values_begin; ///< In the encoder's values, so that blocks may go before apply().
    std::uint32_t values_bytes;
    std::uint32_t previous; ///< The row before it that goes to the same tail.
    model::TsSource source;
  };

  void prefetch(const std::vector<model::Message>& messages, std::size_t at) const;
  void put_erasure(const Erasure& erasure);
  void put_series(const Tail& main, std::string_view last);
  void seal(Tail& tail);
  void put_block(const Tail& tail, const model::Shape& shape, const std::vector<RowView>& rows,
                 std::uint64_t part);
  Result<void> add_message(const model::TelemetryBlock& block, const model::Message& message,
                           std::vector<model::Row>& rows);
  model::DeviceNumber resolve(const model::TelemetryBlock& block, const model::Message& message,
                              model::RejectReason& reason);
  Result<void> add_row(model::DeviceNumber number, Device& device, model::Row& row,
                       const model::Message& message, std::string_view values);
  void record(model::DeviceNumber number, Device& device);
  Tail* main_tail(model::DeviceNumber number, Device& device, const model::Shape& shape,
                  std::uint32_t retention_s);
  Tail& late_tail(model::DeviceNumber number, Device& device, std::uint32_t series);
  std::uint8_t retention_class(std::uint32_t retention_s);
  std::uint32_t shape_number(const model::Shape& shape);
  void accept(Tail& tail, Device& device, model::Row& row, std::int64_t received_ms,
              std::string_view values);
  void list_rejections(const model::Message& message, const std::vector<model::Row>& rows,
                       std::string_view device);
  [[nodiscard]] std::string detail_of(model::RejectReason reason) const;

  // commit_repeats.cpp
  Result<bool> duplicate(Tail& main, Tail& tail, const model::Row& row, std::string_view values);
  bool in_tail(Tail& tail, const model::Row& row, std::string_view values);
  bool scan(const Tail& tail, const model::Row& row, std::string_view values);
  void index(const Tail& tail, const model::Shape& shape);
  [[nodiscard]] static bool indexed(const Tail& tail) noexcept;
  void forget_scans() noexcept;

  [[nodiscard]] std::string_view values_of(const Accepted& row) const noexcept {
    return log_.values().substr(row.values_begin, row.values_bytes);
  }

  DirectoryState& state_;
  CommitTargets targets_;
  RejectionRing& ring_;
  Families families_;
  const CommitLimits limits_;
  std::atomic<std::uint64_t>& devices_total_;

  // Of one commit; kept for their capacity.
  rocksdb::WriteBatch batch_;
  LogEncoder log_;
  std::vector<Accepted> accepted_;
  std::vector<Device*> seen_; ///< Recorded without a row.
  std::vector<Tail*> sealing_;
  std::vector<SealRecord> seals_;
  std::vector<std::int64_t> sealed_times_;    ///< Of the device-stamped rows of sealing_, in order;
  std::vector<std::size_t> sealed_ends_;      ///< and where those of each tail end.
  std::vector<model::DeviceNumber> resolved_; ///< By message, over all blocks.
  std::vector<RowView> rows_of_tail_;
  std::vector<RowView> rows_of_block_;
  columnar::BlockEncoder encoder_;
  std::string block_value_;
  std::size_t sealed_bytes_ = 0;
  std::vector<Erasure> erasures_; ///< For the next commit.
  bool marked_ = false;
  std::size_t duplicates_ = 0;
  std::size_t blocks_sealed_ = 0;
  std::size_t rows_compared_ = 0;
  std::vector<Tail*> scanned_;
  RepeatIndex index_;
  BlockLookup::Budget lookups_left_;
};

} // namespace spate::storage
