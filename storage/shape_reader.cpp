#include "storage/shape_reader.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "engine/model/row.hpp"

namespace spate::storage {

namespace {

constexpr std::int64_t kPlaceMax = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kMainRank = 0; // Late blocks have their order, from 1.
constexpr std::uint64_t kLateTailRank = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kMainTailRank = kLateTailRank - 1;

/// Hashes that are kept, as in a scan. Repeats of rows beyond them are counted.
constexpr std::size_t kSeenMax = 1u << 20;
/// Times that are merged before it is asked whether the read goes on.
constexpr std::uint64_t kGroupsUnasked = 1024;

tl::unexpected<Error> given_up() {
  return fail(Errc::storage_unavailable, "the read was given up");
}

tl::unexpected<Error> damaged(const FoundBlock& block, const Error& error) {
  return error.code == Errc::storage_corrupt
             ? fail(damaged_block(block.key, block.span.first_time_ns, error.detail))
             : fail(error);
}

} // namespace

/// Rows of a block or tail by time, those of one time in order of arrival.
class ShapeReader::RowSource {
public:
  RowSource(const Lane& lane, std::uint64_t rank, bool descending)
      : lane_(lane), rank_(rank), descending_(descending) {}

  [[nodiscard]] const Lane& lane() const noexcept { return lane_; }

  std::vector<columnar::Row>& rows() noexcept { return rows_; }
  std::string& arena() noexcept { return arena_; }
  void begin() noexcept {
    begin_ = 0;
    end_ = rows_.size();
  }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] std::int64_t time_ns() const noexcept {
    return rows_[descending_ ? end_ - 1 : begin_].time_ns;
  }
  /// Takes all rows of the next time.
  std::span<const columnar::Row> take_group() noexcept {
    const std::int64_t time = time_ns();
    if (descending_) {
      const std::size_t end = end_;
      while (end_ > begin_ && rows_[end_ - 1].time_ns == time) {
        --end_;
      }
      return {rows_.data() + end_, end - end_};
    }
    const std::size_t begin = begin_;
    while (begin_ < end_ && rows_[begin_].time_ns == time) {
      ++begin_;
    }
    return {rows_.data() + begin, begin_ - begin};
  }
  /// For a heap with the next row in the front; of one time the source that arrived first.
  static bool later(const std::unique_ptr<RowSource>& a,
                    const std::unique_ptr<RowSource>& b) noexcept;

private:
  const Lane& lane_;
  const std::uint64_t rank_;
  const bool descending_;
  std::vector<columnar::Row> rows_;
  std::string arena_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

struct ShapeReader::Lane {
  Lane(const WalkedDevice& device, std::uint32_t number, const WalkRange& of, std::size_t name)
      : series(number), range(of), index(name), main(device, number, of) {}

  const std::uint32_t series;
  const WalkRange range;
  const std::size_t index;
  MainBlockWalk main;
  bool on_main = false; ///< `main` stands on a block that has not been given.
};

bool ShapeReader::RowSource::later(const std::unique_ptr<RowSource>& a,
                                   const std::unique_ptr<RowSource>& b) noexcept {
  if (a->time_ns() != b->time_ns()) {
    return a->descending_ ? a->time_ns() < b->time_ns() : a->time_ns() > b->time_ns();
  }
  return a->rank_ != b->rank_ ? a->rank_ > b->rank_ : a->lane_.series > b->lane_.series;
}

struct ShapeReader::LateBlock {
  const Lane* lane = nullptr;
  FoundBlock block;
};

struct ShapeReader::OpenBlock {
  Lane* lane = nullptr;
  std::optional<columnar::BlockReader> reader;
  WantedColumns columns;
  bool decoded = false; ///< `columns` are of this block.
  std::size_t begin = 0;
  std::size_t end = 0;
};

ShapeReader::ShapeReader(const ReaderContext& context, const model::Shape& shape, bool descending)
    : context_(context), shape_(shape), descending_(descending),
      open_(std::make_unique<OpenBlock>()) {}

ShapeReader::~ShapeReader() = default;

void ShapeReader::add_series(std::uint32_t series, const WalkRange& range, std::size_t index,
                             const std::vector<const TailRows*>& tails) {
  lanes_.push_back(std::make_unique<Lane>(context_.device, series, range, index));
  for (const TailRows* tail : tails) {
    auto source = std::make_unique<RowSource>(
        *lanes_.back(), tail->kind == BlockKind::main ? kMainTailRank : kLateTailRank, descending_);
    for (const columnar::Row& row : tail->rows) {
      if (row.time_ns >= range.first_ns && row.time_ns <= range.last_ns) {
        source->rows().push_back(row);
      }
    }
    std::stable_sort(
        source->rows().begin(), source->rows().end(),
        [](const columnar::Row& a, const columnar::Row& b) { return a.time_ns < b.time_ns; });
    add_source(std::move(source));
  }
}

void ShapeReader::add_source(std::unique_ptr<RowSource> source) {
  source->begin();
  if (!source->empty()) {
    sources_.push_back(std::move(source));
    std::push_heap(sources_.begin(), sources_.end(), RowSource::later);
  }
}

Result<void> ShapeReader::start() {
  started_ = true;
  for (const auto& lane : lanes_) {
    auto late = late_blocks(context_.device, lane->series, lane->range, context_.cancelled);
    if (!late) {
      return fail(std::move(late.error()));
    }
    for (FoundBlock& block : *late) {
      late_.push_back({lane.get(), std::move(block)});
    }
    if (auto moved = next_main(*lane); !moved) {
      return moved;
    }
  }
  std::stable_sort(late_.begin(), late_.end(), [this](const LateBlock& a, const LateBlock& b) {
    return near_place(a.block.span) > near_place(b.block.span);
  });
  return {};
}

Result<void> ShapeReader::next_main(Lane& lane) {
  const auto moved = lane.main.next();
  if (!moved) {
    return fail(moved.error());
  }
  lane.on_main = *moved;
  return {};
}

/// The lane whose main block is read next; null at the end of all.
ShapeReader::Lane* ShapeReader::nearest_main() const {
  Lane* nearest = nullptr;
  for (const auto& lane : lanes_) {
    if (lane->on_main && (nearest == nullptr || near_place(lane->main.block().span) <
                                                    near_place(nearest->main.block().span))) {
      nearest = lane.get();
    }
  }
  return nearest;
}

Result<void> ShapeReader::settle() {
  if (!started_) {
    if (auto done = start(); !done) {
      return done;
    }
  }
  while (open_->begin == open_->end) {
    Lane* main = nearest_main();
    const std::int64_t row = sources_.empty() ? kPlaceMax : place(sources_.front()->time_ns());
    const std::int64_t main_end = main != nullptr ? far_place(main->main.block().span) : kPlaceMax;
    if (!late_.empty() && near_place(late_.back().block.span) <= std::min(row, main_end)) {
      if (auto done = load_late(); !done) {
        return done;
      }
      continue;
    }
    if (main == nullptr || (!sources_.empty() && row < near_place(main->main.block().span))) {
      return {};
    }
    if (auto done = open_main(*main); !done) {
      return done;
    }
  }
  return {};
}

/// Makes the rows of the next late block a source.
Result<void> ShapeReader::load_late() {
  const LateBlock late = std::move(late_.back());
  late_.pop_back();
  if (cancelled()) {
    return given_up();
  }
  if (erased_of(late.block, context_.erasures) == Erased::all) {
    return {};
  }
  rocksdb::PinnableSlice value;
  if (auto done = read_block(context_.device, late.block, value); !done) {
    return done;
  }
  return add_rows(*late.lane, late.block, {value.data(), value.size()}, late.block.key.order);
}

/// Whether rows may come between, or be repeats of, those of the lane's main block. It is the
/// nearest one, and late blocks that reach over it are loaded.
bool ShapeReader::overlapped(const Lane& lane) const {
  const std::int64_t end = far_place(lane.main.block().span);
  return (!sources_.empty() && place(sources_.front()->time_ns()) <= end) ||
         std::any_of(lanes_.begin(), lanes_.end(), [&](const auto& other) {
           return other.get() != &lane && other->on_main &&
                  near_place(other->main.block().span) <= end;
         });
}

/// Decides how the main block that the lane stands on, the nearest one, is read.
Result<void> ShapeReader::open_main(Lane& lane) {
  if (cancelled()) {
    return given_up();
  }
  const FoundBlock& block = lane.main.block();
  const Erased erased = erased_of(block, context_.erasures);
  if (erased == Erased::all) {
    return next_main(lane);
  }
  if (erased == Erased::some || overlapped(lane)) {
    if (auto added = add_rows(lane, block, lane.main.value(), kMainRank); !added) {
      return added;
    }
    return next_main(lane);
  }
  ++context_.counts.blocks;
  auto reader = columnar::BlockReader::open(shape_, lane.main.value());
  if (!reader) {
    return damaged(block, reader.error());
  }
  open_->lane = &lane;
  open_->reader = std::move(*reader);
  open_->decoded = false;
  open_->begin = 0;
  open_->end = open_->reader->rows();
  if (block.span.first_time_ns >= lane.range.first_ns &&
      block.span.last_time_ns <= lane.range.last_ns) {
    return {};
  }
  if (auto decoded = decode_columns(); !decoded) {
    return decoded;
  }
  const std::vector<std::int64_t>& times = open_->columns.times();
  const auto at = [&](auto found) { return static_cast<std::size_t>(found - times.begin()); };
  open_->begin = at(std::lower_bound(times.begin(), times.end(), lane.range.first_ns));
  open_->end = at(std::upper_bound(times.begin(), times.end(), lane.range.last_ns));
  return open_->begin == open_->end ? next_main(lane) : Result<void>();
}

Result<void> ShapeReader::decode_columns() {
  if (auto decoded = open_->columns.decode(
          *open_->reader, shape_, context_.out.decoded(open_->lane->index), context_.counts);
      !decoded) {
    return damaged(open_->lane->main.block(), decoded.error());
  }
  open_->decoded = true;
  return {};
}

/// Decodes a block into a source, without what is erased or out of range.
Result<void> ShapeReader::add_rows(const Lane& lane, const FoundBlock& block,
                                   std::string_view value, std::uint64_t rank) {
  ++context_.counts.blocks;
  auto reader = columnar::BlockReader::open(shape_, value);
  if (!reader) {
    return damaged(block, reader.error());
  }
  auto source = std::make_unique<RowSource>(lane, rank, descending_);
  auto& rows = source->rows();
  if (auto decoded = reader->all(rows, source->arena()); !decoded) {
    return damaged(block, decoded.error());
  }
  const bool erased = erased_of(block, context_.erasures) != Erased::none;
  std::erase_if(rows, [&](const columnar::Row& row) {
    return row.time_ns < lane.range.first_ns || row.time_ns > lane.range.last_ns ||
           (erased && erased_at(block, context_.erasures, row.time_ns));
  });
  add_source(std::move(source));
  return {};
}

std::optional<std::int64_t> ShapeReader::next_time() const {
  if (open_->begin != open_->end) {
    if (!open_->decoded) {
      return descending_ ? open_->reader->last_time_ns() : open_->reader->first_time_ns();
    }
    return open_->columns.times()[descending_ ? open_->end - 1 : open_->begin];
  }
  return sources_.empty() ? std::nullopt : std::optional(sources_.front()->time_ns());
}

Result<void> ShapeReader::read(const BucketSpan& bucket) {
  while (true) {
    const auto time = next_time();
    if (!time || !bucket.holds(*time)) {
      return {};
    }
    if (auto done = open_->begin != open_->end ? read_columns(bucket) : read_group(); !done) {
      return done;
    }
    if (auto done = settle(); !done) {
      return done;
    }
  }
}

/// Gives the rows of the open block that the bucket holds.
Result<void> ShapeReader::read_columns(const BucketSpan& bucket) {
  OpenBlock& open = *open_;
  if (!open.decoded && bucket.holds(open.reader->first_time_ns()) &&
      bucket.holds(open.reader->last_time_ns())) {
    if (auto added = context_.out.add_block(open.lane->index, *open.reader); !added) {
      return damaged(open.lane->main.block(), added.error());
    }
    open.begin = open.end;
    return next_main(*open.lane);
  }
  if (!open.decoded) {
    if (auto decoded = decode_columns(); !decoded) {
      return decoded;
    }
  }
  const std::vector<std::int64_t>& times = open.columns.times();
  const auto begin = times.begin() + static_cast<std::ptrdiff_t>(open.begin);
  const auto end = times.begin() + static_cast<std::ptrdiff_t>(open.end);
  std::size_t from = open.begin;
  std::size_t to = open.end;
  if (descending_) {
    from = static_cast<std::size_t>(std::lower_bound(begin, end, bucket.first_ns) - times.begin());
    open.end = from;
  } else {
    to = static_cast<std::size_t>(std::upper_bound(begin, end, bucket.last_ns) - times.begin());
    open.begin = to;
  }
  if (auto added = context_.out.add_columns(open.lane->index, open.columns, from, to); !added) {
    return damaged(open.lane->main.block(), added.error());
  }
  return open.begin == open.end ? next_main(*open.lane) : Result<void>();
}

/// Gives all rows of the next time, without repeats.
Result<void> ShapeReader::read_group() {
  if (++groups_ % kGroupsUnasked == 0 && cancelled()) {
    return given_up();
  }
  const std::int64_t time = sources_.front()->time_ns();
  bool first = true;
  seen_.clear();
  while (!sources_.empty() && sources_.front()->time_ns() == time) {
    std::pop_heap(sources_.begin(), sources_.end(), RowSource::later);
    RowSource& source = *sources_.back();
    const std::span<const columnar::Row> group = source.take_group();
    const bool shared =
        !first || group.size() > 1 || (sources_.size() > 1 && sources_.front()->time_ns() == time);
    first = false;
    for (const columnar::Row& row : group) {
      if (shared && !is_new(row)) {
        continue;
      }
      if (auto added = context_.out.add_row(source.lane().index, time, row.values); !added) {
        return added;
      }
    }
    if (source.empty()) {
      sources_.pop_back(); // Its memory goes with it.
    } else {
      std::push_heap(sources_.begin(), sources_.end(), RowSource::later);
    }
  }
  if (seen_.bucket_count() > kGroupsUnasked) {
    seen_ = {}; // Else each later time would pay for the buckets of a large one.
  }
  return {};
}

/// Whether no row of this time with the same values was given before.
bool ShapeReader::is_new(const columnar::Row& row) {
  if (row.source != model::TsSource::device) {
    return true;
  }
  const std::uint64_t key = model::hash_values(shape_, row.values);
  return seen_.size() < kSeenMax ? seen_.insert(key).second : seen_.count(key) == 0;
}

} // namespace spate::storage
