#include "storage/tail.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace spate::storage {

namespace {

/// With malloc's own 16 bytes a step fills two cache lines.
constexpr std::size_t kStepBytes = 112;
/// A longer tail grows by so much of itself: each step may copy all of it.
constexpr std::size_t kGrowthShare = 2;

} // namespace

void Tail::grow(std::size_t bytes) {
  const std::size_t step = std::max(kStepBytes, capacity_ / kGrowthShare);
  const std::size_t capacity = (bytes + step - 1) / step * step;
  auto* data = static_cast<char*>(std::realloc(data_, capacity));
  if (data == nullptr) {
    throw std::bad_alloc();
  }
  data_ = data;
  capacity_ = static_cast<std::uint32_t>(capacity);
}

void Tail::append(const RowView& row) {
  // Most rows need far less than the maximum, so they are written aside and copied: no slack is
  // kept.
  char head[kRowOverheadMax];
  RowView bare = row;
  bare.values = "";                             // Not {}: memcpy() takes no null.
  char* end = write_row(head, base_, bare) - 1; // The length follows, with the values.
  end = write_varint(end, row.values.size());
  const auto head_bytes = static_cast<std::size_t>(end - head);
  const std::size_t need = size_ + head_bytes + row.values.size();
  if (need > capacity_) {
    grow(need);
  }
  if (row.time_ns >= max_time_) {
    newest_at_ = size_;
    newest_received_ms_ = row.received_ms;
  }
  std::memcpy(data_ + size_, head, head_bytes);
  if (!row.values.empty()) {
    std::memcpy(data_ + size_ + head_bytes, row.values.data(), row.values.size());
  }
  size_ = static_cast<std::uint32_t>(need);
  ++rows_;
  ascending_ = ascending_ && row.time_ns >= max_time_;
  min_time_ = std::min(min_time_, row.time_ns);
  max_time_ = std::max(max_time_, row.time_ns);
}

RowView Tail::newest() const noexcept {
  RowCursor cursor(bytes().substr(newest_at_));
  RowView row;
  (void)cursor.next(row);
  row.time_ns = max_time_; // Its own are differences to the row before.
  row.received_ms = newest_received_ms_;
  return row;
}

void Tail::clear() noexcept {
  std::free(data_);
  data_ = nullptr;
  size_ = capacity_ = rows_ = 0;
  ascending_ = true;
  min_time_ = std::numeric_limits<std::int64_t>::max();
  max_time_ = kNever;
  base_ = {};
  sealing = false;
}

void LastRow::set(const RowView& row) {
  forget();
  if (row.values.size() > kBytesMax - kRowOverheadMax) {
    return;
  }
  char bytes[kBytesMax];
  RowBase base;
  const auto size = static_cast<std::size_t>(write_row(bytes, base, row) - bytes);
  data_ = std::make_unique_for_overwrite<char[]>(size);
  std::memcpy(data_.get(), bytes, size);
  size_ = static_cast<std::uint32_t>(size);
}

bool LastRow::restore(std::string_view bytes) {
  forget();
  RowCursor cursor(bytes);
  RowView row;
  RowView more;
  if (bytes.size() > kBytesMax || !cursor.next(row) || cursor.next(more) || cursor.corrupt()) {
    return false;
  }
  set(row);
  return true;
}

void TailList::push_newest(Tail& tail) noexcept {
  tail.older = newest_;
  tail.newer = nullptr;
  (newest_ != nullptr ? newest_->newer : oldest_) = &tail;
  newest_ = &tail;
}

void TailList::remove(Tail& tail) noexcept {
  (tail.older != nullptr ? tail.older->newer : oldest_) = tail.newer;
  (tail.newer != nullptr ? tail.newer->older : newest_) = tail.older;
  tail.older = tail.newer = nullptr;
}

} // namespace spate::storage
