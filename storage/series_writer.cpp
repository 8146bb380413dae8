#include "storage/series_writer.hpp"

#include <algorithm>
#include <cassert>

#include "engine/model/row.hpp"

namespace spate::storage {

namespace {

/// Values of a block: strings may be long.
constexpr std::size_t kBlockBytes = 1u << 20;
/// Values of one time in a block.
constexpr std::size_t kTimeBytesMax = 16u << 20;
/// Rows of one time up to here are compared one by one.
constexpr std::size_t kComparedMax = 16;

std::int64_t day_of(std::int64_t time_ns) noexcept {
  return time_ns / kDayNs - (time_ns % kDayNs < 0 ? 1 : 0);
}

} // namespace

void SeriesWriter::begin(std::uint32_t device, std::uint32_t series, const model::Shape& shape) {
  assert(pending_.empty());
  device_ = device;
  series_ = series;
  shape_ = &shape;
  last_key_ = {};
}

bool SeriesWriter::has_room(std::int64_t time_ns) const noexcept {
  return pending_.empty() || pending_.back().time_ns != time_ns ||
         (pending_.size() - time_begin_ < kTimeRowsMax &&
          values_.size() - pending_[time_begin_].values_begin < kTimeBytesMax);
}

bool SeriesWriter::ends_before(std::int64_t time_ns) const noexcept {
  return pending_.size() >= kRunBlockRows || values_.size() >= kBlockBytes ||
         !groups_[group_].span.holds(time_ns) ||
         (pending_.size() >= kDayBlockRows && day_of(pending_.back().time_ns) != day_of(time_ns));
}

Result<void> SeriesWriter::add(const columnar::Row& row, std::uint64_t order) {
  if (!pending_.empty() && pending_.back().time_ns == row.time_ns) {
    if (repeats(row)) {
      ++duplicates_;
      return {};
    }
    // Rows of a long time get a block of their own; main ones have to stay in it.
    const std::size_t cut = pending_.size() >= kRunBlockRows && time_begin_ != 0 ? time_begin_
                            : kind_ == BlockKind::late && !has_room(row.time_ns) ? pending_.size()
                                                                                 : 0;
    if (cut != 0) {
      if (auto flushed = flush(cut); !flushed) {
        return flushed;
      }
    }
  } else {
    if (!pending_.empty() && ends_before(row.time_ns)) {
      if (auto flushed = flush(); !flushed) {
        return flushed;
      }
    }
    time_begin_ = pending_.size();
    if (hashed_) {
      seen_ = {}; // Not clear(): later ones would pay for its buckets.
      hashed_ = false;
    }
  }
  if (pending_.empty()) {
    group_ = groups_.index_of(class_of(series_), row.time_ns);
  }
  if (hashed_ && row.source == model::TsSource::device) {
    seen_.emplace(model::hash_values(*shape_, row.values), pending_.size());
  }
  pending_.push_back(
      {row.time_ns, row.received_ms, order, values_.size(), row.values.size(), row.source});
  values_.append(row.values);
  return {};
}

bool SeriesWriter::repeats(const columnar::Row& row) {
  if (row.source != model::TsSource::device) {
    return false;
  }
  const auto same = [&](const Pending& other) {
    return other.source == model::TsSource::device &&
           model::same_values(*shape_, values_of(other), row.values);
  };
  if (pending_.size() - time_begin_ <= kComparedMax) {
    return std::any_of(pending_.begin() + static_cast<std::ptrdiff_t>(time_begin_), pending_.end(),
                       same);
  }
  if (!hashed_) {
    hashed_ = true;
    for (std::size_t i = time_begin_; i != pending_.size(); ++i) {
      if (pending_[i].source == model::TsSource::device) {
        seen_.emplace(model::hash_values(*shape_, values_of(pending_[i])), i);
      }
    }
  }
  const auto [begin, end] = seen_.equal_range(model::hash_values(*shape_, row.values));
  return std::any_of(begin, end, [&](const auto& entry) { return same(pending_[entry.second]); });
}

/// Writes the first `count` pending rows.
Result<void> SeriesWriter::flush(std::size_t count) {
  if (count == 0) {
    return {};
  }
  BlockKey key{device_, series_, kind_, pending_[count - 1].time_ns, 0};
  BlockFacts facts{pending_[0].time_ns, pending_[0].received_ms, count, shape_->fields().size()};
  block_rows_.clear();
  for (std::size_t i = 0; i != count; ++i) {
    const Pending& row = pending_[i];
    block_rows_.push_back({row.time_ns, row.received_ms, row.source, values_of(row)});
    key.order = std::max(key.order, row.order);
    facts.last_received_ms = std::max(facts.last_received_ms, row.received_ms);
  }
  // Rows of one time that two late blocks share arrived in the order of the blocks.
  if (kind_ == BlockKind::late && last_key_.device != 0 &&
      last_key_.last_time_ns == facts.first_time_ns) {
    key.order = std::max(key.order, last_key_.order + 1);
  }
  last_key_ = key;
  block_.clear();
  encoder_.encode(*shape_, block_rows_, columnar::Heads::with, block_);
  rows_ += count;
  if (auto taken = sink_.block(group_, key, block_, facts); !taken) {
    return taken;
  }
  if (count == pending_.size()) {
    pending_.clear();
    values_.clear();
    time_begin_ = 0;
    seen_ = {};
    hashed_ = false;
    return {};
  }
  const std::size_t bytes = pending_[count].values_begin;
  values_.erase(0, bytes);
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
  for (Pending& row : pending_) {
    row.values_begin -= bytes;
  }
  time_begin_ -= count;
  std::unordered_multimap<std::uint64_t, std::size_t> seen;
  for (const auto& [hash, index] : seen_) {
    seen.emplace(hash, index - count);
  }
  seen_ = std::move(seen);
  return {};
}

} // namespace spate::storage
