#include "storage/late_rows.hpp"

#include <algorithm>

namespace spate::storage {

Result<void> LateRows::begin(std::uint32_t device, std::uint32_t series,
                             const model::Shape& shape) {
  device_ = device;
  series_ = series;
  shape_ = &shape;
  from_start_ = true;
  return fill({});
}

Result<void> LateRows::rewind() {
  if (from_start_) {
    at_ = 0;
    return {};
  }
  from_start_ = true;
  return fill({});
}

Result<void> LateRows::next() {
  if (++at_ < rows_.size() || complete_) {
    return {};
  }
  from_start_ = false;
  return fill(Position(rows_.back().position));
}

columnar::Row LateRows::row() const noexcept {
  const Held& held = rows_[at_];
  return {held.position.time_ns, held.received_ms, held.source,
          std::string_view(values_).substr(held.values_begin, held.values_bytes)};
}

/// Holds the first rows behind `after`, as many as fit.
Result<void> LateRows::fill(const Position& after) {
  rows_.clear();
  values_.clear();
  at_ = 0;
  complete_ = true;
  if (auto sought = blocks_.seek({device_, series_, BlockKind::late, after.time_ns, 0}); !sought) {
    return sought;
  }
  while (blocks_.valid() && blocks_.key().device == device_ && blocks_.key().series == series_ &&
         blocks_.key().kind == BlockKind::late) {
    if (auto taken = take(after); !taken) {
      return taken;
    }
    if (values_.size() + rows_.size() * sizeof(Held) > 2 * bytes_max_) {
      trim();
    }
    if (!pace_()) {
      return fail(Errc::storage_unavailable, "the merge was ended");
    }
    if (auto moved = blocks_.next(); !moved) {
      return moved;
    }
  }
  trim();
  return {};
}

/// Adds the rows of the cursor's block.
Result<void> LateRows::take(const Position& after) {
  const BlockKey key = blocks_.key();
  const std::string_view block = blocks_.block();
  const auto reader = columnar::BlockReader::open(*shape_, block);
  if (!reader) {
    return on_damaged_(blocks_.input(), key, block, reader.error());
  }
  if (!complete_ && reader->first_time_ns() > limit_.time_ns) {
    return {};
  }
  decoded_.clear();
  arena_.clear();
  if (auto read = reader->all(decoded_, arena_); !read) {
    return on_damaged_(blocks_.input(), key, block, read.error());
  }
  const Position last = complete_ ? Position{INT64_MAX, UINT64_MAX, SIZE_MAX, SIZE_MAX} : limit_;
  for (std::size_t i = 0; i != decoded_.size(); ++i) {
    const columnar::Row& row = decoded_[i];
    const Position position{row.time_ns, key.order, blocks_.input(), i + 1};
    if (position <= after || position > last || hides_(blocks_.input(), key.order, row.time_ns)) {
      continue;
    }
    rows_.push_back({position, row.received_ms, values_.size(), row.values.size(), row.source});
    values_.append(row.values);
  }
  return {};
}

/// Sorts, and keeps what fits of the first.
void LateRows::trim() {
  std::sort(rows_.begin(), rows_.end(),
            [](const Held& a, const Held& b) { return a.position < b.position; });
  std::size_t bytes = 0;
  std::size_t kept = 0;
  while (kept != rows_.size() && (kept == 0 || bytes < bytes_max_)) {
    bytes += sizeof(Held) + rows_[kept++].values_bytes;
  }
  if (kept == rows_.size()) {
    return;
  }
  complete_ = false;
  rows_.resize(kept);
  limit_ = rows_.back().position;
  std::string values;
  for (Held& row : rows_) {
    const std::size_t begin = values.size();
    values.append(values_, row.values_begin, row.values_bytes);
    row.values_begin = begin;
  }
  values_ = std::move(values);
}

} // namespace spate::storage
