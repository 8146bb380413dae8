// Spate - cuts the rows of a series into blocks of a run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/columnar/block.hpp"
#include "engine/model/shape.hpp"
#include "storage/keys.hpp"
#include "storage/run_groups.hpp"
#include "storage/run_writer.hpp"

namespace spate::storage {

/// Rows of a block in a run. Longer only where one time has more.
inline constexpr std::size_t kRunBlockRows = 2048;
/// A block with so many is cut where a UTC day ends, so that whole days are answered from heads.
inline constexpr std::size_t kDayBlockRows = 512;
/// Rows of one time in a block: a clock that stands still.
inline constexpr std::size_t kTimeRowsMax = std::size_t{1} << 17;

/// Where blocks go: in the order of their keys within each group.
class BlockSink {
public:
  virtual ~BlockSink() = default;
  virtual Result<void> block(std::size_t group, const BlockKey& key, std::string_view bytes,
                             const BlockFacts& facts) = 0;
};

/// Takes the main or the late rows of one series after the other, by time and arrival; repeats
/// (device-stamped, same time and values) are left out, the first stands. All rows of one time are
/// in one block, up to kTimeRowsMax late ones. One thread; `groups` and `sink` outlive it.
class SeriesWriter {
public:
  SeriesWriter(BlockKind kind, RunGroups& groups, BlockSink& sink)
      : kind_(kind), groups_(groups), sink_(sink) {}

  void begin(std::uint32_t device, std::uint32_t series, const model::Shape& shape);
  /// Copies the row. Errors: those of the sink.
  Result<void> add(const columnar::Row& row, std::uint64_t order);
  /// Whether one more row of this time fits into its block.
  [[nodiscard]] bool has_room(std::int64_t time_ns) const noexcept;
  /// Writes what is gathered.
  Result<void> flush() { return flush(pending_.size()); }

  [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::uint64_t duplicates() const noexcept { return duplicates_; }

private:
  struct Pending {
    std::int64_t time_ns;
    std::int64_t received_ms;
    std::uint64_t order;
    std::size_t values_begin;
    std::size_t values_bytes;
    model::TsSource source;
  };
  [[nodiscard]] bool repeats(const columnar::Row& row);
  [[nodiscard]] bool ends_before(std::int64_t time_ns) const noexcept;
  [[nodiscard]] std::string_view values_of(const Pending& row) const noexcept {
    return std::string_view(values_).substr(row.values_begin, row.values_bytes);
  }
  Result<void> flush(std::size_t count);

  const BlockKind kind_;
  RunGroups& groups_;
  BlockSink& sink_;
  columnar::BlockEncoder encoder_;
  std::uint32_t device_ = 0;
  std::uint32_t series_ = 0;
  const model::Shape* shape_ = nullptr;
  std::vector<Pending> pending_;
  std::string values_;
  std::size_t time_begin_ = 0; ///< First pending row of the last row's time.
  std::unordered_multimap<std::uint64_t, std::size_t> seen_; ///< Rows of that time, if many.
  bool hashed_ = false;
  std::size_t group_ = 0; ///< Of the pending rows.
  BlockKey last_key_;     ///< Of this series; device 0: none.
  std::vector<columnar::Row> block_rows_;
  std::string block_;
  std::uint64_t rows_ = 0;
  std::uint64_t duplicates_ = 0;
};

} // namespace spate::storage
