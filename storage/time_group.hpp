// Spate - the records of one device that share one time: without repeats, and no more than fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
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
  std::uint64_t tie = 0; ///< As in ScanPosition: series and place of arrival in it.
  std::string values;    ///< Owns what row.values showed, once its source has moved on.
};

/// A clock that stands still gives millions of records one time. All of them must be looked at to
/// leave out repeats, but only a hash of each is kept, and only the records that a page can take.
class TimeGroup {
public:
  /// `request` outlives it; its position says which records lie behind the last page.
  explicit TimeGroup(const ScanRequest& request) : request_(request) {}

  /// Empties it for the next time; `rows_max` records at most will be asked for, and about
  /// `bytes_max` of them.
  void begin(std::size_t rows_max, std::size_t bytes_max);
  /// Rows of one series come in order of arrival: of repeats the first one stands.
  void add(std::uint32_t series, const model::Shape& shape, const RowView& row);
  /// The first records behind the position, in reading order; until begin(). `all`: none was left
  /// out.
  std::span<const GroupRow> take(bool& all);

  [[nodiscard]] bool empty() const noexcept { return added_ == 0; }
  [[nodiscard]] std::size_t rows_kept() const noexcept { return kept_.size(); }

private:
  struct Counter {
    std::uint32_t series;
    std::uint32_t next;
  };
  bool is_new(const model::Shape& shape, const RowView& row);
  std::uint64_t tie_of(std::uint32_t series);
  void offer(GroupRow&& row);
  void drop_last();
  [[nodiscard]] bool behind(std::int64_t time_ns, std::uint64_t tie) const noexcept;

  const ScanRequest& request_;
  std::size_t rows_max_ = 0;
  std::size_t bytes_max_ = 0;
  std::size_t added_ = 0;
  bool left_out_ = false;
  GroupRow first_; ///< Set aside: most groups hold one record, for which nothing is hashed.
  std::unordered_set<std::uint64_t> seen_;
  std::vector<Counter> counters_;
  std::vector<GroupRow> kept_; ///< A heap: the one that is read last is on top.
  std::size_t kept_bytes_ = 0;
};

} // namespace spate::storage
