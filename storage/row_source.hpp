// Spate - where the rows of a scan come from: a tail, the main blocks of a series in one set of
// blocks, one late block.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "storage/device_view.hpp"
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

/// The iterators of one reader over one view: one for each family, made when it is first needed.
class BlockIterators {
public:
  /// Both outlive it.
  BlockIterators(rocksdb::DB& db, const BlocksView& view) : db_(db), view_(view) {}
  [[nodiscard]] rocksdb::Iterator& at(rocksdb::ColumnFamilyHandle* family);
  [[nodiscard]] const BlocksView& view() const noexcept { return view_; }

private:
  rocksdb::DB& db_;
  const BlocksView& view_;
  std::map<rocksdb::ColumnFamilyHandle*, std::unique_ptr<rocksdb::Iterator>> by_family_;
};

/// A run of rows in reading order; those of one time in order of arrival. Until load() only a bound
/// on its first time is known, so blocks that a page does not reach are not decoded.
class RowSource {
public:
  /// Sources of one series hold the rows of a time in the order of `rank`: the main block first,
  /// then late blocks as they were sealed, then the tail of rows in order, then that of late ones.
  RowSource(DeviceView::Series series, const TimeRange& range, std::uint64_t rank)
      : series_(series), range_(range), rank_(rank) {}
  virtual ~RowSource() = default;
  RowSource(const RowSource&) = delete;
  RowSource& operator=(const RowSource&) = delete;

  [[nodiscard]] const DeviceView::Series& series() const noexcept { return series_; }
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
  /// Puts rows_, which are in time order, into reading order without those that are out of range or
  /// hidden.
  void arrange(const Hidden& hidden, std::uint64_t order);

  DeviceView::Series series_;
  const TimeRange range_;
  const std::uint64_t rank_;
  std::int64_t bound_ = 0;
  bool exhausted_ = false;
  std::vector<RowView> rows_;
  std::size_t next_ = 0;
};

using RowSources = std::vector<std::unique_ptr<RowSource>>;

/// All sources of one series that can have rows in `range`. `blocks` is shared by them and outlives
/// them, as `view` does. Errors: storage_io, storage_corrupt, storage_unavailable if `request` was
/// cancelled.
Result<void> add_sources(const DeviceView& view, DeviceView::Series series,
                         const ScanRequest& request, const TimeRange& range, BlockIterators& blocks,
                         RowSources& out);

} // namespace spate::storage
