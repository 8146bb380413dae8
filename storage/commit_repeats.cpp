// How CommitBuilder recognises a record that was sent again.
#include "engine/model/row.hpp"
#include "storage/commit_builder.hpp"

namespace spate::storage {

namespace {

/// Row by row through a tail so often in one commit; then its rows are found by their content.
constexpr std::uint8_t kScansMax = 8;

} // namespace

/// `tail` is where the row would go: `main` itself or its late tail.
Result<bool> CommitBuilder::duplicate(Tail& main, Tail& tail, const model::Row& row,
                                      std::string_view values) {
  if (row.source != model::TsSource::device) {
    return false;
  }
  if (in_tail(tail, row, values)) {
    return true;
  }
  if (&tail == &main) {
    return false; // Newer than all that is sealed.
  }
  // What this commit seals is not in the database yet, but still in its tail.
  if (main.sealing && in_tail(main, row, values)) {
    return true;
  }
  if (lookups_left_.lookups == 0 ||
      !state_.recent.may_hold(main.device, main.series, row.time_ns)) {
    return false;
  }
  auto held = targets_.lookup.holds(main.device, main.series, *row.shape, row.time_ns, values,
                                    lookups_left_);
  if (!held && held.error().code == Errc::storage_corrupt) {
    return false; // A damaged block must not stop what is new; whoever reads it is told.
  }
  return held;
}

/// Whether the tail holds the row, committed or in the commit being built. A backlog of older rows
/// asks for each of its rows, so the work may not grow with what it has brought already.
bool CommitBuilder::in_tail(Tail& tail, const model::Row& row, std::string_view values) {
  if (tail.scans == 0) {
    scanned_.push_back(&tail);
  }
  if (tail.scans < kScansMax) {
    ++tail.scans;
    return scan(tail, row, values);
  }
  if (!indexed(tail)) {
    ++tail.scans;
    index(tail, *row.shape);
  }
  ++rows_compared_;
  return index_.holds(tail, *row.shape, row.time_ns, values);
}

bool CommitBuilder::indexed(const Tail& tail) noexcept {
  return tail.scans > kScansMax;
}

bool CommitBuilder::scan(const Tail& tail, const model::Row& row, std::string_view values) {
  const auto same = [&](std::int64_t time_ns, model::TsSource source, std::string_view other) {
    ++rows_compared_;
    return time_ns == row.time_ns && source == model::TsSource::device &&
           model::same_values(*row.shape, other, values);
  };
  for (std::uint32_t i = tail.last_pending; i != Tail::kNoRow; i = accepted_[i].previous) {
    if (same(accepted_[i].time_ns, accepted_[i].source, values_of(accepted_[i]))) {
      return true;
    }
  }
  if (row.time_ns < tail.min_time_ns() || row.time_ns > tail.max_time_ns()) {
    return false;
  }
  RowCursor cursor(tail.bytes());
  for (RowView held; cursor.next(held);) {
    if (same(held.time_ns, held.source, held.values)) {
      return true;
    }
  }
  return false;
}

void CommitBuilder::index(const Tail& tail, const model::Shape& shape) {
  const auto add = [&](std::int64_t time_ns, model::TsSource source, std::string_view values) {
    ++rows_compared_;
    if (source == model::TsSource::device) {
      index_.add(tail, shape, time_ns, values);
    }
  };
  for (std::uint32_t i = tail.last_pending; i != Tail::kNoRow; i = accepted_[i].previous) {
    add(accepted_[i].time_ns, accepted_[i].source, values_of(accepted_[i]));
  }
  RowCursor cursor(tail.bytes());
  for (RowView held; cursor.next(held);) {
    add(held.time_ns, held.source, held.values);
  }
}

void CommitBuilder::forget_scans() noexcept {
  for (Tail* tail : scanned_) {
    tail->scans = 0;
  }
  scanned_.clear();
  index_.clear();
  rows_compared_ = 0;
}

} // namespace spate::storage
