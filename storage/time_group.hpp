// Spate - the records of one device that share one time: without repeats, and no more than fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "engine/model/shape.hpp"
#include "storage/row_codec.hpp"
#include "storage/store.hpp"

namespace spate::storage {

struct GroupRow {
  const model::Shape* shape = nullptr;
  RowView row;
  std::string values; ///< Owns what row.values showed, once its source has moved on.
};

/// A clock that stands still gives millions of records one time. All of them must be looked at to
/// leave out repeats, but only a hash of each is kept, and only the records that a page can take.
class TimeGroup {
public:
  /// `request` outlives it; its position says which records lie behind the last page.
  explicit TimeGroup(const ScanRequest& request) : request_(request) {}

  /// Empties it for the next time; `rows_max` records at most will be asked for.
  void begin(std::size_t rows_max);
  /// Rows of one shape come in order of arrival: of repeats the first one stands.
  void add(const model::Shape& shape, const RowView& row);
  /// The first records behind the position, in reading order.
  std::vector<GroupRow> take();

  [[nodiscard]] bool empty() const noexcept { return added_ == 0; }
  [[nodiscard]] std::size_t rows_kept() const noexcept { return kept_.size(); }

private:
  bool is_new(const model::Shape& shape, const RowView& row);
  void offer(GroupRow&& row);
  [[nodiscard]] bool behind(const RowView& row) const noexcept;

  const ScanRequest& request_;
  std::size_t rows_max_ = 0;
  std::size_t added_ = 0;
  GroupRow first_; ///< Set aside: most groups hold one record, for which nothing is hashed.
  std::unordered_set<std::uint64_t> seen_;
  std::vector<GroupRow> kept_; ///< A heap: the one that is read last is on top.
};

} // namespace spate::storage
