#include "storage/time_group.hpp"

#include <algorithm>

#include "engine/model/row.hpp"

namespace spate::storage {

namespace {

/// Hashes that are kept, some 40 MB. Repeats of records beyond them are shown.
constexpr std::size_t kSeenMax = 1u << 20;

/// Whether `a` is read before `b`; both have the same time.
struct ReadBefore {
  bool descending;
  bool operator()(const GroupRow& a, const GroupRow& b) const noexcept {
    return descending ? a.row.tie > b.row.tie : a.row.tie < b.row.tie;
  }
};

} // namespace

void TimeGroup::begin(std::size_t rows_max) {
  rows_max_ = rows_max;
  added_ = 0;
  kept_.clear();
  if (!seen_.empty()) {
    seen_ = {}; // Not clear(): that would pay for the buckets of a large group in each later one.
  }
}

void TimeGroup::add(const model::Shape& shape, const RowView& row) {
  if (++added_ == 1) {
    first_ = {&shape, row, std::string(row.values)};
    return;
  }
  if (added_ == 2) {
    first_.row.values = first_.values;
    (void)is_new(*first_.shape, first_.row);
    offer(std::move(first_));
  }
  if (is_new(shape, row) && behind(row) &&
      (kept_.size() < rows_max_ ||
       ReadBefore{request_.descending}({&shape, row, {}}, kept_.front()))) {
    offer({&shape, row, std::string(row.values)});
  }
}

std::vector<GroupRow> TimeGroup::take() {
  if (added_ == 1) {
    offer(std::move(first_));
  }
  std::sort_heap(kept_.begin(), kept_.end(), ReadBefore{request_.descending});
  return std::exchange(kept_, {});
}

bool TimeGroup::is_new(const model::Shape& shape, const RowView& row) {
  if (row.source != model::TsSource::device) {
    return true;
  }
  const std::uint64_t key = model::hash_values(shape, row.values) ^
                            (shape.index() + 1) * std::uint64_t{0x9e3779b97f4a7c15u};
  return seen_.size() < kSeenMax ? seen_.insert(key).second : seen_.count(key) == 0;
}

void TimeGroup::offer(GroupRow&& row) {
  if (!behind(row.row)) {
    return;
  }
  const ReadBefore before{request_.descending};
  if (kept_.size() == rows_max_) {
    std::pop_heap(kept_.begin(), kept_.end(), before);
    kept_.pop_back();
  }
  kept_.push_back(std::move(row));
  std::push_heap(kept_.begin(), kept_.end(), before);
}

/// Whether the record lies behind the position where the last page ended.
bool TimeGroup::behind(const RowView& row) const noexcept {
  if (!request_.after) {
    return true;
  }
  const ScanPosition& after = *request_.after;
  if (row.time_ns != after.time_ns) {
    return request_.descending ? row.time_ns < after.time_ns : row.time_ns > after.time_ns;
  }
  return request_.descending ? row.tie < after.tie : row.tie > after.tie;
}

} // namespace spate::storage
