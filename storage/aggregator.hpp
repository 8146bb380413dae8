// Spate - fills the buckets of an aggregate from rows and columns, wherever they come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/columnar/block.hpp"
#include "engine/model/shape.hpp"
#include "storage/field_accumulator.hpp"
#include "storage/partition.hpp"
#include "storage/store.hpp"

namespace spate::storage {

/// The part of one bucket that lies in the request's range.
struct BucketSpan {
  std::int64_t start_ns = 0; ///< Of the whole bucket.
  std::int64_t first_ns = 0;
  std::int64_t last_ns = 0; ///< Inclusive.

  [[nodiscard]] bool holds(std::int64_t time_ns) const noexcept {
    return time_ns >= first_ns && time_ns <= last_ns;
  }
};

/// Where buckets begin and end; no time overflows. A bucket that would begin before the first
/// moment there is begins with it.
class BucketGrid {
public:
  /// step_ns >= 0 and from_ns < to_ns; others as in AggregateRequest.
  explicit BucketGrid(const AggregateRequest& request) noexcept
      : from_ns_(request.from_ns), last_ns_(TimeSpan{request.from_ns, request.to_ns}.last_ns()),
        step_ns_(request.step_ns), offset_ns_(request.offset_ns) {}

  [[nodiscard]] BucketSpan bucket_of(std::int64_t time_ns) const noexcept;

private:
  std::int64_t from_ns_;
  std::int64_t last_ns_;
  std::int64_t step_ns_;
  std::int64_t offset_ns_;
};

/// What it took, for tests and metrics.
struct AggregateCounts {
  std::uint64_t blocks = 0;      ///< Read.
  std::uint64_t columns = 0;     ///< Decoded, those of times included.
  std::uint64_t heads = 0;       ///< Columns whose head was enough.
  std::uint64_t rows_merged = 0; ///< Taken row by row.
};

/// The columns of one block that an aggregate wants.
class WantedColumns {
public:
  /// Times and all wanted fields. What `block` borrows must live while columns are used. Error:
  /// storage_corrupt.
  Result<void> decode(const columnar::BlockReader& block, const model::Shape& shape,
                      const std::vector<bool>& wanted, AggregateCounts& counts);
  [[nodiscard]] const std::vector<std::int64_t>& times() const noexcept { return times_; }

private:
  friend class Aggregator;
  struct Column {
    columnar::NumberColumn numbers;
    std::vector<std::uint8_t> booleans;
    std::vector<std::string_view> strings;
    std::string arena;
  };
  static Result<void> decode(const columnar::BlockReader& block, const model::Shape& shape,
                             std::size_t field, Column& out);

  std::vector<std::int64_t> times_;
  std::vector<Column> columns_; ///< By field.
};

/// Accumulates one bucket after the other. Rows of one series and time come in the order of their
/// arrival; else rows of a bucket come in any order. One thread.
///
/// Memory: an accumulator a path, and kBucketValuesMax values with percentiles.
class Aggregator {
public:
  explicit Aggregator(std::uint32_t functions, AggregateCounts& counts)
      : functions_(functions), counts_(counts) {}
  Aggregator(const Aggregator&) = delete;
  Aggregator& operator=(const Aggregator&) = delete;

  /// A series of which rows will come: before the first row. The result names it. `wanted` has an
  /// entry a field.
  std::size_t add_series(std::uint32_t series, const model::Shape& shape,
                         const std::vector<bool>& wanted);
  /// Fields of a series whose values matter; of the others it matters that they are there.
  [[nodiscard]] const std::vector<bool>& decoded(std::size_t series) const noexcept {
    return series_[series].decoded;
  }

  // Errors: storage_corrupt (`values` or the block make no sense), usage (too many values for
  // percentiles).
  Result<void> add_row(std::size_t series, std::int64_t time_ns, std::string_view values);
  /// All rows of a block, which lies in the bucket: by its heads where they are enough.
  Result<void> add_block(std::size_t series, const columnar::BlockReader& block);
  /// Rows [begin, end) of columns, which hold decoded(series).
  Result<void> add_columns(std::size_t series, const WantedColumns& columns, std::size_t begin,
                           std::size_t end);

  /// Ends the bucket: its fields by path, none if no row came. The next one begins.
  std::vector<FieldAggregate> finish();

private:
  struct Series {
    std::uint32_t number = 0;
    const model::Shape* shape = nullptr;
    std::vector<bool> decoded;                   ///< By field.
    std::vector<FieldAccumulator*> accumulators; ///< By field; null: not wanted.
  };

  Result<void> add_column(const Series& series, std::size_t field,
                          const WantedColumns::Column& column, std::size_t begin, std::size_t end,
                          Moment first, Moment last);
  Result<bool> add_head(const Series& series, std::size_t field, const columnar::BlockReader& block,
                        Moment first, Moment last);

  const std::uint32_t functions_;
  AggregateCounts& counts_;
  std::size_t values_left_ = kBucketValuesMax;
  std::map<std::string_view, FieldAccumulator> by_path_; ///< Paths are those of shapes.
  std::vector<Series> series_;
  WantedColumns::Column scratch_;
};

} // namespace spate::storage
