// Spate - where sealed blocks lie, as readers and the fold see it at one moment.
//
// The life of a block: a commit seals a tail into the active generation; full generations are
// frozen and folded into runs, sorted and immutable; runs of one span of time are merged until one
// is left, and go as a whole when their time is over.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "storage/keys.hpp"
#include "storage/partition.hpp"

namespace spate::storage {

/// Small blocks as commits seal them, in a column family `blk<number>` of their own: dropped when
/// all of it is in runs. Shared by those who read it; the handle goes with the last of them.
class Generation {
public:
  /// Owns the handle. `db` outlives it.
  Generation(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* handle, std::uint64_t number)
      : db_(db), handle_(handle), number_(number) {}
  ~Generation() { db_.DestroyColumnFamilyHandle(handle_); }
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  [[nodiscard]] rocksdb::ColumnFamilyHandle* handle() const noexcept { return handle_; }
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }

private:
  rocksdb::DB& db_;
  rocksdb::ColumnFamilyHandle* handle_;
  std::uint64_t number_;
};

/// A sorted, immutable set of blocks of one retention class in the column family `runs`; keys begin
/// with its number. Its files hold nothing else, so that they are dropped whole.
struct Run {
  std::uint32_t number = 0;
  std::uint8_t retention_class = 0;
  std::uint8_t level = 0;         ///< How often its rows were merged.
  std::int64_t from_ns = 0;       ///< Span of the partitions it belongs to: all its rows lie in it.
  std::int64_t to_ns = 0;         ///< Exclusive.
  std::int64_t first_time_ns = 0; ///< Of its rows.
  std::int64_t last_time_ns = 0;
  std::int64_t last_received_ms = 0;
  std::uint64_t last_sequence = 0;  ///< Newest commit that sealed a row in it.
  std::uint32_t erased_through = 0; ///< Erasures up to this number are done in it.
  std::uint64_t blocks = 0;
  std::uint64_t late_blocks = 0;
  std::uint64_t rows = 0;
  std::uint64_t readings = 0; ///< Values: rows times their fields.
  std::uint64_t bytes = 0;    ///< Of its files.
};

/// Part of one device's records that must not be shown any more. Rows sealed by a commit after
/// `sequence` came later and stay.
struct Erasure {
  std::uint32_t number = 0; ///< Counts up in its data directory, from 1.
  std::uint32_t device = 0;
  std::int64_t from_ns = 0;
  std::int64_t to_ns = 0; ///< As in TimeSpan.
  std::uint64_t sequence = 0;

  [[nodiscard]] TimeSpan span() const noexcept { return {from_ns, to_ns}; }
  [[nodiscard]] bool covers(std::int64_t time_ns) const noexcept { return span().holds(time_ns); }
  /// Whether rows of these times, in a block of the device with this `order`, may be erased. It is
  /// what reads, folds and the quarantine go by.
  [[nodiscard]] bool touches(std::uint64_t order, std::int64_t first_time_ns,
                             std::int64_t last_time_ns) const noexcept {
    return sequence_of(order) <= sequence && span().meets(first_time_ns, last_time_ns);
  }
};

void encode(const Erasure& erasure, std::string& out);
/// Error: storage_corrupt.
Result<Erasure> decode_erasure(std::uint32_t number, std::string_view bytes);

/// What of one series is hidden in one set of blocks.
class Hidden {
public:
  Hidden() = default;
  /// Of `all`, those of `device` that are not done in a set with this `erased_through`.
  Hidden(const std::vector<Erasure>& all, std::uint32_t device, std::uint32_t erased_through);

  [[nodiscard]] bool none() const noexcept { return erasures_.empty(); }
  /// Whether rows of a block with this `order` may be hidden.
  [[nodiscard]] bool touches(std::uint64_t order, std::int64_t first_time_ns,
                             std::int64_t last_time_ns) const noexcept;
  [[nodiscard]] bool row(std::uint64_t order, std::int64_t time_ns) const noexcept {
    return touches(order, time_ns, time_ns);
  }

private:
  std::vector<Erasure> erasures_;
};

/// Immutable. All parts belong together: a row is in exactly one of generations, runs, or the tails
/// that were copied in the same turn.
struct BlocksView {
  std::shared_ptr<const rocksdb::Snapshot> snapshot;          ///< Released before its generations.
  std::vector<std::shared_ptr<const Generation>> generations; ///< Oldest first; the last is active.
  std::shared_ptr<const std::vector<Run>> runs;               ///< By number.
  rocksdb::ColumnFamilyHandle* runs_family = nullptr;
  std::vector<Erasure> erasures; ///< That are not finished.
};

/// One place to look for blocks: a generation or a run.
struct BlockSet {
  rocksdb::ColumnFamilyHandle* family = nullptr;
  std::string prefix;               ///< Of all keys: empty for a generation, BE32 number for a run.
  std::uint32_t erased_through = 0; ///< Erasures up to here are done in it.
};
[[nodiscard]] inline BlockSet set_of(const Generation& generation) {
  return {generation.handle(), {}, 0};
}
[[nodiscard]] inline BlockSet set_of(const BlocksView& view, const Run& run) {
  BlockSet set{view.runs_family, {}, run.erased_through};
  put_be(set.prefix, run.number);
  return set;
}

} // namespace spate::storage
