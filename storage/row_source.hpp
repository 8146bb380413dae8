// Spate - where the rows of a scan come from: a tail, the main blocks of a shape, one late block.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "storage/live_directory.hpp"
#include "storage/row_codec.hpp"
#include "storage/store.hpp"

namespace spate::storage {

/// The times that a scan still wants: from <= t <= last.
struct TimeRange {
  std::int64_t first_ns = 0;
  std::int64_t last_ns = 0;
  bool descending = false;
};

/// Asked before each block that is read.
[[nodiscard]] inline bool given_up(const ScanRequest& request) {
  return request.cancelled && request.cancelled();
}
[[nodiscard]] Error given_up_error();

/// A run of rows in reading order; those of one time in order of arrival. Until load() only a bound
/// on its first time is known, so blocks that a page does not reach are not decoded.
class RowSource {
public:
  /// Sources of one shape hold the rows of a time in the order of `rank`: the main block first,
  /// then late blocks as they were sealed, then tails.
  RowSource(DeviceView::Shape shape, const TimeRange& range, std::uint64_t rank)
      : shape_(shape), range_(range), rank_(rank) {}
  virtual ~RowSource() = default;
  RowSource(const RowSource&) = delete;
  RowSource& operator=(const RowSource&) = delete;

  [[nodiscard]] const model::Shape& shape() const noexcept { return *shape_.shape; }
  [[nodiscard]] std::uint64_t rank() const noexcept { return rank_; }
  /// No row is read before this time; exact once rows are loaded.
  [[nodiscard]] std::int64_t bound() const noexcept {
    return loaded() ? rows_[next_].time_ns : bound_;
  }
  [[nodiscard]] bool loaded() const noexcept { return next_ < rows_.size(); }
  [[nodiscard]] bool finished() const noexcept { return !loaded() && exhausted_; }
  /// Reads the next rows; afterwards it is loaded or finished. Errors: storage_io, storage_corrupt.
  virtual Result<void> load() = 0;

  /// Valid until the next load().
  [[nodiscard]] const RowView& front() const noexcept { return rows_[next_]; }
  void pop() noexcept { ++next_; }

protected:
  /// Takes decoded rows in time order, keeps those in range and puts them in reading order.
  void take(std::vector<RowView>&& rows);

  DeviceView::Shape shape_;
  const TimeRange range_;
  const std::uint64_t rank_;
  std::int64_t bound_ = 0;
  bool exhausted_ = false;

private:
  std::vector<RowView> rows_;
  std::size_t next_ = 0;
};

using RowSources = std::vector<std::unique_ptr<RowSource>>;

/// All sources of one shape that can have rows in `range`. `blocks` is shared by them and outlives
/// them. Errors: storage_io, storage_corrupt, storage_unavailable if `request` was cancelled.
Result<void> add_sources(const DeviceView& view, DeviceView::Shape shape,
                         const ScanRequest& request, const TimeRange& range,
                         rocksdb::Iterator& blocks, RowSources& out);

} // namespace spate::storage
