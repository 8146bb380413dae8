#include "storage/block_walk.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

constexpr std::int64_t kTimeMin = std::numeric_limits<std::int64_t>::min();
constexpr std::size_t kTimeBytes = 16; ///< Of a block's key: last time and order.

/// An iterator over the blocks of one device, series and kind in one set.
class SetIterator {
public:
  SetIterator(const WalkedDevice& device, std::uint32_t series, BlockKind kind, BlockSet set)
      : set_(std::move(set)), device_(device.device), series_(series), kind_(kind),
        begin_(key(kTimeMin)),
        end_(begin_.substr(0, begin_.size() - kTimeBytes).append(kTimeBytes + 1, '\xff')),
        lower_(begin_), upper_(end_) {
    rocksdb::ReadOptions options;
    options.snapshot = device.view.snapshot.get();
    options.prefix_same_as_start = true; // Files without the device are passed over by filters.
    options.iterate_lower_bound = &lower_;
    options.iterate_upper_bound = &upper_;
    at_.reset(device.db.NewIterator(options, set_.family));
  }
  SetIterator(const SetIterator&) = delete;
  SetIterator& operator=(const SetIterator&) = delete;

  [[nodiscard]] std::string key(std::int64_t last_time_ns) const {
    return set_.prefix + block_key({device_, series_, kind_, last_time_ns, 0});
  }
  rocksdb::Iterator& operator*() noexcept { return *at_; }
  rocksdb::Iterator* operator->() noexcept { return at_.get(); }

  /// The block that it stands on; nothing if there is none.
  Result<std::optional<FoundBlock>> found() const {
    if (!at_->Valid()) {
      if (at_->status().ok()) {
        return std::nullopt;
      }
      Error error = error_of(at_->status());
      if (error.code == Errc::storage_corrupt) {
        error.detail = "blocks of device number " + std::to_string(device_) + ", series " +
                       std::to_string(series_) + " can not be read: " + error.detail;
      }
      return fail(std::move(error));
    }
    const std::string_view key = view_of(at_->key());
    FoundBlock block;
    if (key.size() != set_.prefix.size() + kBlockKeyBytes ||
        key.compare(0, set_.prefix.size(), set_.prefix) != 0 ||
        !parse_block_key(key.substr(set_.prefix.size()), block.key) ||
        block.key.device != device_ || block.key.series != series_ || block.key.kind != kind_) {
      return std::nullopt;
    }
    const auto span = columnar::block_span(view_of(at_->value()));
    if (!span) {
      return fail(damaged_block(block.key, kTimeMin, span.error().detail));
    }
    if (span->rows == 0 || span->last_time_ns != block.key.last_time_ns ||
        span->first_time_ns > span->last_time_ns) {
      return fail(damaged_block(block.key, kTimeMin, "its times do not fit its key"));
    }
    block.set = set_;
    block.span = *span;
    return block;
  }

private:
  const BlockSet set_;
  const std::uint32_t device_;
  const std::uint32_t series_;
  const BlockKind kind_;
  const std::string begin_;
  const std::string end_;
  const rocksdb::Slice lower_; ///< The iterator borrows them.
  const rocksdb::Slice upper_;
  std::unique_ptr<rocksdb::Iterator> at_;
};

bool can_hold(const Run& run, std::uint32_t series, const WalkRange& range) noexcept {
  return run.retention_class == class_of(series) && run.first_time_ns <= range.last_ns &&
         run.last_time_ns >= range.first_ns;
}

} // namespace

Error damaged_block(const BlockKey& key, std::int64_t first_time_ns, std::string_view why) {
  std::string detail = "a block of device number " + std::to_string(key.device) + ", series " +
                       std::to_string(key.series) + ", times ";
  detail += first_time_ns == kTimeMin ? "up" : "from " + std::to_string(first_time_ns) + " ns";
  detail.append(" to ").append(std::to_string(key.last_time_ns)).append(" ns can not be read: ");
  return {Errc::storage_corrupt, detail.append(why)};
}

/// Its place in one set. Before it is looked into, only bounds are known.
class MainBlockWalk::Cursor {
public:
  Cursor(const WalkedDevice& device, std::uint32_t series, BlockSet set, std::int64_t first_ns,
         std::int64_t last_ns)
      : device_(device), series_(series), set_(std::move(set)) {
    block_.span.first_time_ns = first_ns;
    block_.span.last_time_ns = last_ns;
  }

  [[nodiscard]] bool positioned() const noexcept { return at_.has_value(); }
  /// Whether it comes before the other in reading order, as far as is known.
  [[nodiscard]] bool before(const Cursor& other, bool descending) const noexcept {
    return descending ? block_.span.last_time_ns > other.block_.span.last_time_ns
                      : block_.span.first_time_ns < other.block_.span.first_time_ns;
  }

  /// Goes to its first or next block in the range. False at its end.
  Result<bool> advance(const WalkRange& range) {
    if (!at_) {
      at_.emplace(device_, series_, BlockKind::main, set_);
      (*at_)->Seek(at_->key(range.descending ? range.last_ns : range.first_ns));
      if (!range.descending) {
        return take(range);
      }
      // The first block that ends at or behind the range's end may begin inside it.
      auto taken = take(range);
      if (!taken || *taken) {
        return taken;
      }
      // Not Prev(): that would have to turn every level's iterator around as well.
      (*at_)->SeekForPrev(at_->key(range.last_ns));
      return take(range);
    }
    if (range.descending) {
      (*at_)->Prev();
    } else {
      (*at_)->Next();
    }
    return take(range);
  }

  [[nodiscard]] const FoundBlock& block() const noexcept { return block_; }
  [[nodiscard]] std::string_view value() { return view_of((*at_)->value()); }

private:
  Result<bool> take(const WalkRange& range) {
    auto found = at_->found();
    if (!found) {
      return fail(std::move(found.error()));
    }
    if (!*found || (*found)->span.first_time_ns > range.last_ns ||
        (*found)->span.last_time_ns < range.first_ns) {
      return false;
    }
    block_ = std::move(**found);
    return true;
  }

  const WalkedDevice device_;
  const std::uint32_t series_;
  const BlockSet set_;
  std::optional<SetIterator> at_;
  FoundBlock block_;
};

MainBlockWalk::MainBlockWalk(const WalkedDevice& device, std::uint32_t series,
                             const WalkRange& range)
    : range_(range) {
  for (const auto& generation : device.view.generations) {
    cursors_.push_back(std::make_unique<Cursor>(device, series, set_of(*generation), range.first_ns,
                                                range.last_ns));
  }
  for (const Run& run : *device.view.runs) {
    if (can_hold(run, series, range)) {
      cursors_.push_back(std::make_unique<Cursor>(device, series, set_of(device.view, run),
                                                  run.first_time_ns, run.last_time_ns));
    }
  }
}

MainBlockWalk::~MainBlockWalk() = default;

Result<bool> MainBlockWalk::next() {
  Cursor* moving = current_;
  current_ = nullptr;
  while (true) {
    if (moving != nullptr) {
      const auto moved = moving->advance(range_);
      if (!moved) {
        return fail(moved.error());
      }
      if (!*moved) {
        cursors_.erase(std::find_if(cursors_.begin(), cursors_.end(),
                                    [&](const auto& cursor) { return cursor.get() == moving; }));
      }
    }
    const auto first =
        std::min_element(cursors_.begin(), cursors_.end(), [this](const auto& a, const auto& b) {
          return a->before(*b, range_.descending);
        });
    if (first == cursors_.end()) {
      return false;
    }
    if ((*first)->positioned()) {
      current_ = first->get();
      return true;
    }
    moving = first->get();
  }
}

const FoundBlock& MainBlockWalk::block() const noexcept {
  return current_->block();
}

std::string_view MainBlockWalk::value() const {
  return current_->value();
}

Result<std::vector<FoundBlock>> late_blocks(const WalkedDevice& device, std::uint32_t series,
                                            const WalkRange& range,
                                            const std::function<bool()>& cancelled) {
  std::vector<FoundBlock> out;
  const auto add = [&](BlockSet set) -> Result<void> {
    SetIterator at(device, series, BlockKind::late, std::move(set));
    for (at->Seek(at.key(range.first_ns));; at->Next()) {
      if (cancelled && cancelled()) {
        return fail(Errc::storage_unavailable, "the read was given up");
      }
      auto found = at.found();
      if (!found) {
        return fail(std::move(found.error()));
      }
      if (!*found) {
        return {};
      }
      if ((*found)->span.first_time_ns <= range.last_ns) {
        out.push_back(std::move(**found));
      }
    }
  };
  for (const auto& generation : device.view.generations) {
    if (auto added = add(set_of(*generation)); !added) {
      return fail(std::move(added.error()));
    }
  }
  for (const Run& run : *device.view.runs) {
    if (run.late_blocks == 0 || !can_hold(run, series, range)) {
      continue;
    }
    if (auto added = add(set_of(device.view, run)); !added) {
      return fail(std::move(added.error()));
    }
  }
  std::sort(out.begin(), out.end(),
            [](const FoundBlock& a, const FoundBlock& b) { return a.key.order < b.key.order; });
  return out;
}

Result<void> read_block(const WalkedDevice& device, const FoundBlock& block,
                        rocksdb::PinnableSlice& out) {
  rocksdb::ReadOptions options;
  options.snapshot = device.view.snapshot.get();
  out.Reset();
  const rocksdb::Status status =
      device.db.Get(options, block.set.family, block.set.prefix + block_key(block.key), &out);
  if (status.IsNotFound()) {
    return fail(
        damaged_block(block.key, block.span.first_time_ns, "it was listed and is not there"));
  }
  if (!status.ok()) {
    Error error = error_of(status);
    return fail(error.code == Errc::storage_corrupt
                    ? damaged_block(block.key, block.span.first_time_ns, error.detail)
                    : std::move(error));
  }
  return {};
}

namespace {

bool touches(const Erasure& erasure, const FoundBlock& block, std::int64_t first_time_ns,
             std::int64_t last_time_ns) noexcept {
  return erasure.device == block.key.device && erasure.number > block.set.erased_through &&
         erasure.touches(block.key.order, first_time_ns, last_time_ns);
}

} // namespace

Erased erased_of(const FoundBlock& block, const std::vector<Erasure>& erasures) {
  Erased erased = Erased::none;
  for (const Erasure& erasure : erasures) {
    if (!touches(erasure, block, block.span.first_time_ns, block.span.last_time_ns)) {
      continue;
    }
    if (erasure.covers(block.span.first_time_ns) && erasure.covers(block.span.last_time_ns)) {
      return Erased::all;
    }
    erased = Erased::some;
  }
  return erased;
}

bool erased_at(const FoundBlock& block, const std::vector<Erasure>& erasures,
               std::int64_t time_ns) {
  return std::any_of(erasures.begin(), erasures.end(), [&](const Erasure& erasure) {
    return touches(erasure, block, time_ns, time_ns);
  });
}

} // namespace spate::storage
