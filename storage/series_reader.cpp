#include "storage/series_reader.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "engine/model/row.hpp"

namespace spate::storage {

namespace {

constexpr std::int64_t kPlaceMax = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kMainRank = 0; // Late blocks have their order, from 1.
constexpr std::uint64_t kTailRank = std::numeric_limits<std::uint64_t>::max() - 16;

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
class SeriesReader::RowSource {
public:
  RowSource(std::uint64_t rank, bool descending) : rank_(rank), descending_(descending) {}

  std::vector<columnar::Row>& rows() noexcept { return rows_; }
  std::string& arena() noexcept { return arena_; }
  void begin() noexcept {
    begin_ = 0;
    end_ = rows_.size();
  }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] std::uint64_t rank() const noexcept { return rank_; }
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
                    const std::unique_ptr<RowSource>& b) noexcept {
    if (a->time_ns() != b->time_ns()) {
      return a->descending_ ? a->time_ns() < b->time_ns() : a->time_ns() > b->time_ns();
    }
    return a->rank_ > b->rank_;
  }

private:
  const std::uint64_t rank_;
  const bool descending_;
  std::vector<columnar::Row> rows_;
  std::string arena_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

struct SeriesReader::OpenBlock {
  std::optional<columnar::BlockReader> reader;
  WantedColumns columns;
  bool decoded = false; ///< `columns` are of this block.
  std::size_t begin = 0;
  std::size_t end = 0;
};

SeriesReader::SeriesReader(const SeriesContext& context, std::uint32_t series,
                           const model::Shape& shape, const WalkRange& range, std::size_t index,
                           const std::vector<const TailRows*>& tails)
    : context_(context), series_(series), shape_(shape), range_(range), index_(index),
      main_(context.device, series, range), open_(std::make_unique<OpenBlock>()) {
  std::uint64_t rank = kTailRank;
  for (const TailRows* tail : tails) {
    auto source = std::make_unique<RowSource>(rank++, range.descending);
    for (const columnar::Row& row : tail->rows) {
      if (row.time_ns >= range.first_ns && row.time_ns <= range.last_ns) {
        source->rows().push_back(row);
      }
    }
    std::stable_sort(
        source->rows().begin(), source->rows().end(),
        [](const columnar::Row& a, const columnar::Row& b) { return a.time_ns < b.time_ns; });
    source->begin();
    if (!source->empty()) {
      sources_.push_back(std::move(source));
    }
  }
  std::make_heap(sources_.begin(), sources_.end(), RowSource::later);
}

SeriesReader::~SeriesReader() = default;

Result<void> SeriesReader::start() {
  started_ = true;
  auto late = late_blocks(context_.device, series_, range_, context_.cancelled);
  if (!late) {
    return fail(std::move(late.error()));
  }
  late_ = std::move(*late);
  std::stable_sort(late_.begin(), late_.end(), [this](const FoundBlock& a, const FoundBlock& b) {
    return near_place(a.span) > near_place(b.span);
  });
  return next_main();
}

Result<void> SeriesReader::next_main() {
  const auto moved = main_.next();
  if (!moved) {
    return fail(moved.error());
  }
  on_main_ = *moved;
  merging_ = false;
  return {};
}

Result<void> SeriesReader::settle() {
  if (!started_) {
    if (auto done = start(); !done) {
      return done;
    }
  }
  while (open_->begin == open_->end) {
    const std::int64_t row = sources_.empty() ? kPlaceMax : place(sources_.front()->time_ns());
    const std::int64_t main_end = on_main_ ? far_place(main_.block().span) : kPlaceMax;
    if (!late_.empty() && near_place(late_.back().span) <= std::min(row, main_end)) {
      if (auto done = load_late(); !done) {
        return done;
      }
      continue;
    }
    const bool row_is_next =
        !sources_.empty() &&
        (!on_main_ || row < near_place(main_.block().span) || (merging_ && row <= main_end));
    if (row_is_next || !on_main_) {
      return {};
    }
    if (auto done = merging_ ? next_main() : open_main(); !done) {
      return done;
    }
  }
  return {};
}

/// Makes the rows of the next late block a source.
Result<void> SeriesReader::load_late() {
  const FoundBlock block = std::move(late_.back());
  late_.pop_back();
  if (cancelled()) {
    return given_up();
  }
  if (erased_of(block, context_.erasures) == Erased::all) {
    return {};
  }
  rocksdb::PinnableSlice value;
  if (auto done = read_block(context_.device, block, value); !done) {
    return done;
  }
  return add_rows(block, {value.data(), value.size()}, block.key.order);
}

/// Decides how the block that the walk stands on is read.
Result<void> SeriesReader::open_main() {
  if (cancelled()) {
    return given_up();
  }
  const FoundBlock& block = main_.block();
  const Erased erased = erased_of(block, context_.erasures);
  if (erased == Erased::all) {
    return next_main();
  }
  const bool overlapped =
      !sources_.empty() && place(sources_.front()->time_ns()) <= far_place(block.span);
  if (overlapped || erased == Erased::some) {
    merging_ = true;
    return add_rows(block, main_.value(), kMainRank);
  }
  ++context_.counts.blocks;
  auto reader = columnar::BlockReader::open(shape_, main_.value());
  if (!reader) {
    return damaged(block, reader.error());
  }
  open_->reader = std::move(*reader);
  open_->decoded = false;
  open_->begin = 0;
  open_->end = open_->reader->rows();
  if (block.span.first_time_ns >= range_.first_ns && block.span.last_time_ns <= range_.last_ns) {
    return {};
  }
  if (auto decoded = decode_columns(); !decoded) {
    return decoded;
  }
  const std::vector<std::int64_t>& times = open_->columns.times();
  const auto at = [&](auto found) { return static_cast<std::size_t>(found - times.begin()); };
  open_->begin = at(std::lower_bound(times.begin(), times.end(), range_.first_ns));
  open_->end = at(std::upper_bound(times.begin(), times.end(), range_.last_ns));
  return open_->begin == open_->end ? next_main() : Result<void>();
}

Result<void> SeriesReader::decode_columns() {
  if (auto decoded = open_->columns.decode(*open_->reader, shape_, context_.out.decoded(index_),
                                           context_.counts);
      !decoded) {
    return damaged(main_.block(), decoded.error());
  }
  open_->decoded = true;
  return {};
}

/// Decodes a block into a source, without what is erased or out of range.
Result<void> SeriesReader::add_rows(const FoundBlock& block, std::string_view value,
                                    std::uint64_t rank) {
  ++context_.counts.blocks;
  auto reader = columnar::BlockReader::open(shape_, value);
  if (!reader) {
    return damaged(block, reader.error());
  }
  auto source = std::make_unique<RowSource>(rank, range_.descending);
  auto& rows = source->rows();
  if (auto decoded = reader->all(rows, source->arena()); !decoded) {
    return damaged(block, decoded.error());
  }
  const bool erased = erased_of(block, context_.erasures) != Erased::none;
  std::erase_if(rows, [&](const columnar::Row& row) {
    return row.time_ns < range_.first_ns || row.time_ns > range_.last_ns ||
           (erased && erased_at(block, context_.erasures, row.time_ns));
  });
  source->begin();
  if (!source->empty()) {
    sources_.push_back(std::move(source));
    std::push_heap(sources_.begin(), sources_.end(), RowSource::later);
  }
  return {};
}

std::optional<std::int64_t> SeriesReader::next_time() const {
  if (open_->begin != open_->end) {
    const bool descending = range_.descending;
    if (!open_->decoded) {
      return descending ? open_->reader->last_time_ns() : open_->reader->first_time_ns();
    }
    return open_->columns.times()[descending ? open_->end - 1 : open_->begin];
  }
  return sources_.empty() ? std::nullopt : std::optional(sources_.front()->time_ns());
}

Result<void> SeriesReader::read(const BucketSpan& bucket) {
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
Result<void> SeriesReader::read_columns(const BucketSpan& bucket) {
  OpenBlock& open = *open_;
  if (!open.decoded && bucket.holds(open.reader->first_time_ns()) &&
      bucket.holds(open.reader->last_time_ns())) {
    if (auto added = context_.out.add_block(index_, *open.reader); !added) {
      return damaged(main_.block(), added.error());
    }
    open.begin = open.end;
    return next_main();
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
  if (range_.descending) {
    from = static_cast<std::size_t>(std::lower_bound(begin, end, bucket.first_ns) - times.begin());
    open.end = from;
  } else {
    to = static_cast<std::size_t>(std::upper_bound(begin, end, bucket.last_ns) - times.begin());
    open.begin = to;
  }
  if (auto added = context_.out.add_columns(index_, open.columns, from, to); !added) {
    return damaged(main_.block(), added.error());
  }
  return open.begin == open.end ? next_main() : Result<void>();
}

/// Gives all rows of the next time, without repeats.
Result<void> SeriesReader::read_group() {
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
      if (auto added = context_.out.add_row(index_, time, row.values); !added) {
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
bool SeriesReader::is_new(const columnar::Row& row) {
  if (row.source != model::TsSource::device) {
    return true;
  }
  const std::uint64_t key = model::hash_values(shape_, row.values);
  return seen_.size() < kSeenMax ? seen_.insert(key).second : seen_.count(key) == 0;
}

} // namespace spate::storage
