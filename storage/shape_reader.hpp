// Spate - gives the rows of one device and shape to an aggregate, in whole columns where nothing
// can be in their way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/columnar/block.hpp"
#include "engine/model/shape.hpp"
#include "storage/aggregator.hpp"
#include "storage/block_walk.hpp"

namespace spate::storage {

/// Rows of one series that no block holds yet, in the order of their arrival.
struct TailRows {
  std::uint32_t series = 0;
  BlockKind kind = BlockKind::main; ///< Rows in order come before late ones.
  std::vector<columnar::Row> rows;  ///< Their values borrow.
};

/// What all readers of one aggregate share; borrowed.
struct ReaderContext {
  const WalkedDevice& device;
  const std::vector<Erasure>& erasures;
  const std::function<bool()>& cancelled; ///< May be null.
  Aggregator& out;
  AggregateCounts& counts;
};

/// Walks the main blocks of a shape, of all its retention classes: what was sent again after the
/// class had changed is a repeat, too. A block that no late row, tail, erasure or block of another
/// class touches is given column by column; where one does, rows are merged and repeats left out as
/// in a scan: of device-stamped rows of one time with the same values one stands.
///
/// Thread: one. Memory: a block a class, the late blocks that reach over one time, hashes of the
/// rows that share one. Errors: storage_io, storage_corrupt, storage_unavailable (cancelled), usage
/// (as Aggregator).
class ShapeReader {
public:
  ShapeReader(const ReaderContext& context, const model::Shape& shape, bool descending);
  ShapeReader(const ShapeReader&) = delete;
  ShapeReader& operator=(const ShapeReader&) = delete;
  ~ShapeReader();

  /// The shape in one retention class: before all else. `range` has the direction of the others.
  /// `index` is the aggregator's name for the series. `tails`: those of this series.
  void add_series(std::uint32_t series, const WalkRange& range, std::size_t index,
                  const std::vector<const TailRows*>& tails);
  [[nodiscard]] const model::Shape& shape() const noexcept { return shape_; }

  /// Finds the next row: afterwards next_time() is it.
  Result<void> settle();
  /// Of the row that is read next; nothing at the end.
  [[nodiscard]] std::optional<std::int64_t> next_time() const;
  /// Gives all rows that `bucket` holds to the aggregator, and settles behind them. It is settled,
  /// and no row lies before the bucket in reading order.
  Result<void> read(const BucketSpan& bucket);

private:
  class RowSource;
  struct Lane;      ///< One series.
  struct LateBlock; ///< One that is not loaded.
  struct OpenBlock; ///< A main block that is given in columns.

  /// Ascends in reading order: a time, or for descending reads its mirror image.
  [[nodiscard]] std::int64_t place(std::int64_t time_ns) const noexcept {
    return descending_ ? ~time_ns : time_ns;
  }
  [[nodiscard]] std::int64_t near_place(const columnar::BlockSpan& span) const noexcept {
    return place(descending_ ? span.last_time_ns : span.first_time_ns);
  }
  [[nodiscard]] std::int64_t far_place(const columnar::BlockSpan& span) const noexcept {
    return place(descending_ ? span.first_time_ns : span.last_time_ns);
  }
  [[nodiscard]] bool cancelled() const { return context_.cancelled && context_.cancelled(); }

  Result<void> start();
  static Result<void> next_main(Lane& lane);
  [[nodiscard]] Lane* nearest_main() const;
  [[nodiscard]] bool overlapped(const Lane& lane) const;
  Result<void> load_late();
  Result<void> open_main(Lane& lane);
  Result<void> add_rows(const Lane& lane, const FoundBlock& block, std::string_view value,
                        std::uint64_t rank);
  void add_source(std::unique_ptr<RowSource> source);
  Result<void> decode_columns();
  Result<void> read_columns(const BucketSpan& bucket);
  Result<void> read_group();
  bool is_new(const columnar::Row& row);

  const ReaderContext& context_;
  const model::Shape& shape_;
  const bool descending_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  bool started_ = false;
  std::vector<LateBlock> late_;                     ///< The next one last.
  std::vector<std::unique_ptr<RowSource>> sources_; ///< A heap: the next row is in the front.
  std::unique_ptr<OpenBlock> open_;        ///< Has rows left, if `open_->begin < open_->end`.
  std::unordered_set<std::uint64_t> seen_; ///< Hashes of the rows of the time being read.
  std::uint64_t groups_ = 0;
};

} // namespace spate::storage
