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
    return descending ? a.tie > b.tie : a.tie < b.tie;
  }
};

} // namespace

void TimeGroup::begin(std::size_t rows_max, std::size_t bytes_max) {
  rows_max_ = rows_max;
  bytes_max_ = bytes_max;
  added_ = 0;
  left_out_ = false;
  kept_.clear();
  kept_bytes_ = 0;
  counters_.clear();
  if (!seen_.empty()) {
    seen_ = {}; // Not clear(): that would pay for the buckets of a large group in each later one.
  }
}

void TimeGroup::add(std::uint32_t series, const model::Shape& shape, const RowView& row) {
  if (++added_ == 1) {
    first_.shape = &shape;
    first_.row = row;
    first_.tie = tie_of(series);
    first_.values.assign(row.values); // Most groups need no other memory.
    return;
  }
  if (added_ == 2) {
    first_.row.values = first_.values;
    (void)is_new(*first_.shape, first_.row);
    offer(std::move(first_));
  }
  if (!is_new(shape, row)) {
    return;
  }
  GroupRow candidate{&shape, row, tie_of(series), {}};
  if (!behind(row.time_ns, candidate.tie)) {
    return;
  }
  if (kept_.size() < rows_max_ || ReadBefore{request_.descending}(candidate, kept_.front())) {
    candidate.values = row.values;
    offer(std::move(candidate));
  } else {
    left_out_ = true;
  }
}

std::span<const GroupRow> TimeGroup::take(bool& all) {
  all = !left_out_;
  if (added_ == 1) {
    return {&first_, behind(first_.row.time_ns, first_.tie) ? std::size_t{1} : 0};
  }
  std::sort_heap(kept_.begin(), kept_.end(), ReadBefore{request_.descending});
  return kept_;
}

bool TimeGroup::is_new(const model::Shape& shape, const RowView& row) {
  if (row.source != model::TsSource::device) {
    return true;
  }
  const std::uint64_t key = model::hash_values(shape, row.values) ^
                            (shape.index() + 1) * std::uint64_t{0x9e3779b97f4a7c15u};
  return seen_.size() < kSeenMax ? seen_.insert(key).second : seen_.count(key) == 0;
}

std::uint64_t TimeGroup::tie_of(std::uint32_t series) {
  auto counter = std::find_if(counters_.begin(), counters_.end(),
                              [series](const Counter& c) { return c.series == series; });
  if (counter == counters_.end()) {
    counter = counters_.insert(counter, {series, 0});
  }
  return static_cast<std::uint64_t>(series) << 32 | counter->next++;
}

void TimeGroup::offer(GroupRow&& row) {
  if (!behind(row.row.time_ns, row.tie)) {
    return;
  }
  if (kept_.size() == rows_max_) {
    drop_last();
  }
  kept_bytes_ += row.values.size();
  kept_.push_back(std::move(row));
  std::push_heap(kept_.begin(), kept_.end(), ReadBefore{request_.descending});
  while (kept_bytes_ > bytes_max_ && kept_.size() > 1) {
    drop_last();
    rows_max_ = kept_.size();
  }
}

void TimeGroup::drop_last() {
  std::pop_heap(kept_.begin(), kept_.end(), ReadBefore{request_.descending});
  kept_bytes_ -= kept_.back().values.size();
  kept_.pop_back();
  left_out_ = true;
}

/// Whether the record lies behind the position where the last page ended.
bool TimeGroup::behind(std::int64_t time_ns, std::uint64_t tie) const noexcept {
  if (!request_.after) {
    return true;
  }
  const ScanPosition& after = *request_.after;
  if (time_ns != after.time_ns) {
    return request_.descending ? time_ns < after.time_ns : time_ns > after.time_ns;
  }
  return request_.descending ? tie < after.tie : tie > after.tie;
}

} // namespace spate::storage
