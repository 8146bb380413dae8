#include "storage/row_source.hpp"

#include <algorithm>
#include <limits>

#include "engine/columnar/block.hpp"
#include "storage/block_lookup.hpp"
#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

constexpr std::int64_t kTimeMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kTimeMax = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kMainRank = 0; // Late blocks have their order, which is above.
constexpr std::uint64_t kLateTailRank = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kMainTailRank = kLateTailRank - 1;

/// A series in one set of blocks.
struct Place {
  BlockSet set;
  std::uint32_t device = 0;
  DeviceView::Series series;
  Hidden hidden;

  [[nodiscard]] std::string key(BlockKind kind, std::int64_t last_time_ns,
                                std::uint64_t order) const {
    std::string out = set.prefix;
    append_block_key(out, {device, series.number, kind, last_time_ns, order});
    return out;
  }
  /// Whether the iterator stands on a block of it.
  [[nodiscard]] bool holds(const rocksdb::Iterator& at, BlockKind kind, BlockKey& found) const {
    if (!at.Valid()) {
      return false;
    }
    const std::string_view bytes = view_of(at.key());
    return bytes.substr(0, set.prefix.size()) == set.prefix &&
           parse_block_key(bytes.substr(set.prefix.size()), found) && found.device == device &&
           found.series == series.number && found.kind == kind;
  }
};

Result<void> decode(const Place& place, std::string_view block, std::vector<RowView>& rows,
                    std::string& arena) {
  rows.clear();
  arena.clear();
  const auto reader = columnar::BlockReader::open(*place.series.shape, block);
  if (!reader) {
    return fail(reader.error());
  }
  return reader->all(rows, arena);
}

class TailSource final : public RowSource {
public:
  TailSource(DeviceView::Series series, const TimeRange& range, const DeviceView::TailCopy& tail)
      : RowSource(series, range, tail.kind == BlockKind::main ? kMainTailRank : kLateTailRank),
        bytes_(tail.bytes) {
    bound_ = range.descending ? kTimeMax : kTimeMin;
  }

  Result<void> load() override {
    rows_.clear();
    if (!exhausted_) {
      RowCursor cursor(bytes_);
      for (RowView row; cursor.next(row);) {
        rows_.push_back(row);
      }
      std::stable_sort(rows_.begin(), rows_.end(),
                       [](const RowView& a, const RowView& b) { return a.time_ns < b.time_ns; });
    }
    exhausted_ = true;
    arrange({}, 0);
    return {};
  }

private:
  const std::string& bytes_; ///< The view's.
};

class LateBlock final : public RowSource {
public:
  LateBlock(std::shared_ptr<const Place> place, const TimeRange& range, rocksdb::Iterator& blocks,
            const BlockKey& key, std::int64_t first_time_ns)
      : RowSource(place->series, range, key.order), place_(std::move(place)), blocks_(blocks),
        key_(key) {
    bound_ = range.descending ? key.last_time_ns : first_time_ns;
  }

  Result<void> load() override {
    rows_.clear();
    if (!exhausted_) {
      const std::string key = place_->key(BlockKind::late, key_.last_time_ns, key_.order);
      blocks_.Seek(key);
      if (!blocks_.status().ok()) {
        return fail(error_of(blocks_.status()));
      }
      if (!blocks_.Valid() || blocks_.key() != rocksdb::Slice(key)) {
        return fail(Errc::storage_corrupt, "a block that was listed is not there");
      }
      if (auto decoded = decode(*place_, view_of(blocks_.value()), rows_, arena_); !decoded) {
        return decoded;
      }
    }
    exhausted_ = true;
    arrange(place_->hidden, key_.order);
    return {};
  }

private:
  const std::shared_ptr<const Place> place_;
  rocksdb::Iterator& blocks_;
  const BlockKey key_;
  std::string arena_;
};

/// Main blocks are disjoint in time, so they are read one after the other.
class MainBlocks final : public RowSource {
public:
  /// `bound_ns`: nothing in this set is read before it.
  MainBlocks(std::shared_ptr<const Place> place, const TimeRange& range, rocksdb::Iterator& blocks,
             std::int64_t bound_ns)
      : RowSource(place->series, range, kMainRank), place_(std::move(place)), blocks_(blocks) {
    bound_ = bound_ns;
    // Descending begins with the first block that ends at or after the range's end.
    seek_ = place_->key(BlockKind::main, range.descending ? range.last_ns : range.first_ns, 0);
  }

  Result<void> load() override {
    rows_.clear();
    next_ = 0;
    BlockKey key;
    while (!exhausted_) {
      if (!seek(key)) {
        exhausted_ = true;
        if (!blocks_.status().ok()) {
          return fail(error_of(blocks_.status()));
        }
        break;
      }
      const std::string_view block = view_of(blocks_.value());
      const auto span = columnar::block_span(block);
      if (!span) {
        return fail(span.error());
      }
      if (range_.descending ? span->last_time_ns < range_.first_ns
                            : span->first_time_ns > range_.last_ns) {
        exhausted_ = true;
        break;
      }
      if (span->first_time_ns > range_.last_ns) {
        continue; // Descending: this one lies behind the range's end, the one before it may not.
      }
      if (auto decoded = decode(*place_, block, rows_, arena_); !decoded) {
        return decoded;
      }
      arrange(place_->hidden, key.order);
      if (loaded()) {
        return {};
      }
    }
    rows_.clear();
    next_ = 0;
    return {};
  }

private:
  bool seek(BlockKey& key) {
    if (!range_.descending) {
      blocks_.Seek(seek_);
      if (!place_->holds(blocks_, BlockKind::main, key)) {
        return false;
      }
      seek_.assign(blocks_.key().data(), blocks_.key().size());
      seek_.push_back('\0'); // The next key there is.
      return true;
    }
    if (!started_) {
      started_ = true;
      blocks_.Seek(seek_);
      if (!blocks_.status().ok()) {
        return false; // The next seek would forget it.
      }
      if (!place_->holds(blocks_, BlockKind::main, key)) {
        blocks_.SeekForPrev(seek_);
      }
    } else {
      blocks_.SeekForPrev(seek_);
      if (blocks_.Valid() && blocks_.key() == rocksdb::Slice(seek_)) {
        blocks_.Prev();
      }
    }
    if (!place_->holds(blocks_, BlockKind::main, key)) {
      return false;
    }
    seek_.assign(blocks_.key().data(), blocks_.key().size());
    return true;
  }

  const std::shared_ptr<const Place> place_;
  rocksdb::Iterator& blocks_;
  std::string seek_; ///< Ascending: where to seek; descending: the block that was read last.
  std::string arena_;
  bool started_ = false;
};

/// The main blocks of one set, and its late ones.
Result<void> add_set(std::shared_ptr<const Place> place, bool has_late, std::int64_t bound_ns,
                     const ScanRequest& request, const TimeRange& range, rocksdb::Iterator& blocks,
                     RowSources& out) {
  out.push_back(std::make_unique<MainBlocks>(place, range, blocks, bound_ns));
  if (!has_late) {
    return {};
  }
  BlockKey key;
  for (blocks.Seek(place->key(BlockKind::late, range.first_ns, 0));
       place->holds(blocks, BlockKind::late, key); blocks.Next()) {
    if (given_up(request)) {
      return fail(given_up_error());
    }
    const auto span = columnar::block_span(view_of(blocks.value()));
    if (!span) {
      return fail(span.error());
    }
    if (span->first_time_ns <= range.last_ns) {
      out.push_back(std::make_unique<LateBlock>(place, range, blocks, key, span->first_time_ns));
    }
  }
  if (!blocks.status().ok()) {
    return fail(error_of(blocks.status()));
  }
  return {};
}

} // namespace

rocksdb::Iterator& BlockIterators::at(rocksdb::ColumnFamilyHandle* family) {
  auto& iterator = by_family_[family];
  if (iterator == nullptr) {
    iterator = block_iterator(db_, family, view_.snapshot.get());
  }
  return *iterator;
}

void RowSource::arrange(const Hidden& hidden, std::uint64_t order) {
  const std::int64_t first_ns = std::max(range_.first_ns, series_.kept_from_ns);
  const auto unwanted = [&](const RowView& row) {
    return row.time_ns < first_ns || row.time_ns > range_.last_ns ||
           (!hidden.none() && hidden.row(order, row.time_ns));
  };
  if (!rows_.empty() && (rows_.front().time_ns < first_ns ||
                         rows_.back().time_ns > range_.last_ns || !hidden.none())) {
    rows_.erase(std::remove_if(rows_.begin(), rows_.end(), unwanted), rows_.end());
  }
  if (range_.descending) {
    std::reverse(rows_.begin(), rows_.end());
    for (auto first = rows_.begin(); first != rows_.end();) {
      const auto last = std::find_if(
          first, rows_.end(), [&](const RowView& row) { return row.time_ns != first->time_ns; });
      std::reverse(first, last);
      first = last;
    }
  }
  if (!rows_.empty()) {
    bound_ = rows_.back().time_ns; // What is loaded next begins there or behind it.
  }
  next_ = 0;
}

Error given_up_error() {
  return {Errc::storage_unavailable, "the read was given up"};
}

Result<void> add_sources(const DeviceView& view, DeviceView::Series series,
                         const ScanRequest& request, const TimeRange& range, BlockIterators& blocks,
                         RowSources& out) {
  for (const DeviceView::TailCopy& tail : view.tails) {
    if (tail.series == series.number) {
      out.push_back(std::make_unique<TailSource>(series, range, tail));
    }
  }
  const auto place_in = [&](BlockSet set) {
    const std::uint32_t erased_through = set.erased_through;
    return std::make_shared<const Place>(
        Place{std::move(set), view.device, series,
              Hidden(view.blocks->erasures, view.device, erased_through)});
  };
  for (const auto& generation : view.blocks->generations) {
    if (auto added = add_set(place_in(set_of(*generation)), true,
                             range.descending ? range.last_ns : range.first_ns, request, range,
                             blocks.at(generation->handle()), out);
        !added) {
      return added;
    }
  }
  for (const Run& run : *view.blocks->runs) {
    if (run.retention_class != class_of(series.number) || run.last_time_ns < range.first_ns ||
        run.first_time_ns > range.last_ns) {
      continue;
    }
    const std::int64_t bound = range.descending ? std::min(range.last_ns, run.last_time_ns)
                                                : std::max(range.first_ns, run.first_time_ns);
    if (auto added = add_set(place_in(set_of(*view.blocks, run)), run.late_blocks != 0, bound,
                             request, range, blocks.at(view.blocks->runs_family), out);
        !added) {
      return added;
    }
  }
  return {};
}

} // namespace spate::storage
