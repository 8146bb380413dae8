#include "storage/run_merge.hpp"

#include <algorithm>
#include <utility>

#include "engine/base/log.hpp"
#include "storage/merge_plan.hpp"
#include "storage/run_catalog.hpp"

namespace spate::storage {

namespace {

constexpr std::size_t kReadaheadBytes = 512u << 10;
constexpr std::size_t kLateSeriesMax = 1u << 20;
/// A block of a run with so many rows is copied as it is where nothing is added to it.
constexpr std::size_t kCopiedRows = kRunBlockRows / 2;

std::vector<BlockSet> sets_of(const MergeTask& task) {
  std::vector<BlockSet> sets;
  for (const MergeInput& input : task.inputs) {
    sets.push_back(input.set);
  }
  return sets;
}

} // namespace

RunMerge::RunMerge(rocksdb::DB& db, const MergeTask& task, const RunFiles& files,
                   const MergeTools& tools, Quarantine& quarantine)
    : db_(db), task_(task), files_(files), tools_(tools), quarantine_(quarantine),
      sets_(sets_of(task)),
      blocks_(db, sets_, nullptr, kReadaheadBytes,
              [this](const BlockCursor::Unreadable& part) { return unreadable(part); }),
      main_writer_(BlockKind::main, groups_, *this), late_writer_(BlockKind::late, groups_, *this) {
}

Result<void> RunMerge::run() {
  if (auto surveyed = survey(); !surveyed) {
    return surveyed;
  }
  if (auto sought = blocks_.seek_to_first(); !sought) {
    return sought;
  }
  while (blocks_.valid()) {
    if (auto merged = merge_series(); !merged) {
      return merged;
    }
  }
  return finish();
}

/// What will be written where, and which series have late rows.
Result<void> RunMerge::survey() {
  const bool runs = std::all_of(task_.inputs.begin(), task_.inputs.end(),
                                [](const MergeInput& input) { return input.run.has_value(); });
  bool one_partition = runs;
  if (runs) {
    for (const MergeInput& input : task_.inputs) {
      const Run& run = *input.run;
      const std::int64_t width = partition_width_ns(tools_.retention_s(run.retention_class));
      groups_.add_class(run.retention_class, width);
      const TimeSpan span = partition_of(task_.inputs[0].run->first_time_ns, width);
      one_partition = one_partition &&
                      run.retention_class == task_.inputs[0].run->retention_class &&
                      span.holds(run.first_time_ns) && span.holds(run.last_time_ns);
      all_may_be_late_ = all_may_be_late_ || run.late_blocks != 0;
    }
  }
  if (one_partition && !task_.inputs.empty()) {
    const Run& run = *task_.inputs[0].run;
    groups_.add(run.retention_class, run.first_time_ns, run.bytes);
  } else {
    all_may_be_late_ = false;
    BlockCursor blocks(db_, sets_, nullptr, kReadaheadBytes, {});
    auto moved = blocks.seek_to_first();
    for (; moved && blocks.valid(); moved = blocks.next()) {
      if (auto counted = survey_block(blocks.key(), blocks.block()); !counted) {
        return counted;
      }
    }
    if (!moved) {
      return moved;
    }
  }
  groups_.decide();
  return {};
}

Result<void> RunMerge::survey_block(const BlockKey& key, std::string_view block) {
  if (!tools_.pace(0)) {
    return fail(Errc::storage_unavailable, "the merge was ended");
  }
  const std::uint8_t retention_class = class_of(key.series);
  if (!groups_.has_class(retention_class)) {
    groups_.add_class(retention_class, partition_width_ns(tools_.retention_s(retention_class)));
  }
  if (key.kind == BlockKind::late && !all_may_be_late_) {
    const Series series{key.device, key.series};
    if (late_series_.empty() || late_series_.back() != series) {
      late_series_.push_back(series);
      all_may_be_late_ = late_series_.size() > kLateSeriesMax;
    }
  }
  const auto span = columnar::block_span(block);
  if (!span) {
    return {}; // Set aside when its turn comes.
  }
  if (groups_.same_partition(retention_class, span->first_time_ns, span->last_time_ns)) {
    groups_.add(retention_class, span->first_time_ns, block.size());
    return {};
  }
  const model::Shape* shape = tools_.shape(key.series);
  if (shape == nullptr) {
    return {};
  }
  const auto reader = columnar::BlockReader::open(*shape, block);
  std::vector<std::int64_t> times;
  if (reader && reader->times(times)) {
    for (const std::int64_t time_ns : times) {
      groups_.add(retention_class, time_ns, block.size() / times.size() + 1);
    }
  }
  return {};
}

bool RunMerge::has_late(const Series& series) const {
  return all_may_be_late_ || std::binary_search(late_series_.begin(), late_series_.end(), series);
}

/// The cursor is at the first block of a series, and behind its last one afterwards.
Result<void> RunMerge::merge_series() {
  const BlockKey first = blocks_.key();
  if (first.device != series_.first) {
    choose_erasures(first.device);
  }
  series_ = {first.device, first.series};
  const model::Shape* shape = tools_.shape(first.series);
  if (shape == nullptr) {
    return skip_series();
  }
  main_writer_.begin(first.device, first.series, *shape);
  late_writer_.begin(first.device, first.series, *shape);
  first_main_ns_.reset();
  last_main_ns_.reset();
  main_end_ns_.reset();
  full_.clear();
  late_left_ = false;
  late_here_ = has_late(series_);
  if (late_here_) {
    if (late_blocks_ == nullptr) {
      // What it can not read the other cursor will meet, and tell.
      late_blocks_ = std::make_unique<BlockCursor>(db_, sets_, nullptr, 0, nullptr);
      late_ = std::make_unique<LateRows>(
          *late_blocks_, task_.late_bytes_max,
          [this](std::size_t input, std::uint64_t order, std::int64_t time_ns) {
            return hides(input, order, time_ns);
          },
          [this](std::size_t input, const BlockKey& key, std::string_view block,
                 const Error& error) { return damaged(input, key, block, error.detail); },
          [this] { return tools_.pace(0); });
    }
    last_main_ns_ = late_blocks_->last_main(first.device, first.series);
    if (auto begun = late_->begin(first.device, first.series, *shape); !begun) {
      return begun;
    }
  }
  if (auto merged = merge_main(*shape); !merged) {
    return merged;
  }
  return write_late();
}

Result<void> RunMerge::merge_main(const model::Shape& shape) {
  while (blocks_.valid() && series_ == Series{blocks_.key().device, blocks_.key().series}) {
    std::uint64_t rows = 0;
    if (const auto span = columnar::block_span(blocks_.block())) {
      rows = span->rows;
    }
    if (blocks_.key().kind == BlockKind::main) { // Late ones are read by late_.
      if (auto merged = merge_block(shape); !merged) {
        return merged;
      }
    }
    if (!tools_.pace(rows)) {
      return fail(Errc::storage_unavailable, "the merge was ended");
    }
    if (auto moved = blocks_.next(); !moved) {
      return moved;
    }
  }
  if (late_here_) {
    if (auto merged = late_before(INT64_MAX, true); !merged) {
      return merged;
    }
  }
  return main_writer_.flush();
}

Result<void> RunMerge::merge_block(const model::Shape& shape) {
  const BlockKey key = blocks_.key();
  const std::size_t input = blocks_.input();
  const auto reader = columnar::BlockReader::open(shape, blocks_.block());
  if (!reader) {
    return damaged(input, key, blocks_.block(), reader.error().detail);
  }
  if (reader->last_time_ns() != key.last_time_ns) {
    return damaged(input, key, blocks_.block(), "its key says another time than it does");
  }
  if (main_end_ns_ && reader->first_time_ns() <= *main_end_ns_) {
    return damaged(input, key, blocks_.block(), "its times overlap those of another main block");
  }
  if (const auto copied = copy_block(shape, *reader); !copied || *copied) {
    return copied ? Result<void>{} : Result<void>(fail(copied.error()));
  }
  rows_.clear();
  arena_.clear();
  if (auto read = reader->all(rows_, arena_); !read) {
    return damaged(input, key, blocks_.block(), read.error().detail);
  }
  if (!first_main_ns_) {
    first_main_ns_ = reader->first_time_ns();
  }
  main_end_ns_ = reader->last_time_ns();
  for (const columnar::Row& row : rows_) {
    if (late_here_) {
      if (auto merged = late_before(row.time_ns, false); !merged) {
        return merged;
      }
    }
    if (erasures_.empty() || !hides(input, key.order, row.time_ns)) {
      if (auto added = main_writer_.add(row, key.order); !added) {
        return added;
      }
    }
  }
  return {};
}

/// Takes a large block over without decoding it, if all of its rows stay and none comes between.
Result<bool> RunMerge::copy_block(const model::Shape& shape, const columnar::BlockReader& reader) {
  const MergeInput& input = task_.inputs[blocks_.input()];
  const std::uint8_t retention_class = class_of(series_.second);
  if (!input.run || reader.rows() < kCopiedRows || !erasures_.empty()) {
    return false;
  }
  const std::size_t group = groups_.index_of(retention_class, reader.first_time_ns());
  if (!groups_[group].span.holds(reader.last_time_ns())) {
    return false;
  }
  if (!first_main_ns_) {
    first_main_ns_ = reader.first_time_ns();
  }
  if (late_here_) {
    if (auto merged = late_before(reader.first_time_ns(), false); !merged) {
      return fail(merged.error());
    }
    if (late_->valid() && late_->time_ns() <= reader.last_time_ns()) {
      return false;
    }
  }
  if (auto flushed = main_writer_.flush(); !flushed) {
    return fail(flushed.error());
  }
  main_end_ns_ = reader.last_time_ns();
  const BlockFacts facts{reader.first_time_ns(), input.run->last_received_ms, reader.rows(),
                         shape.fields().size()};
  made_.rows += reader.rows();
  if (auto taken = block(group, blocks_.key(), blocks_.block(), facts); !taken) {
    return fail(taken.error());
  }
  return true;
}

/// Late rows that join the main ones before `time_ns`.
Result<void> RunMerge::late_before(std::int64_t time_ns, bool inclusive) {
  while (late_->valid() &&
         (late_->time_ns() < time_ns || (inclusive && late_->time_ns() == time_ns))) {
    const LateRows::Position at = late_->position();
    const bool full = !full_.empty() && full_.back().time_ns == at.time_ns;
    if (full || !joins(at.time_ns)) {
      late_left_ = true;
    } else if (!main_writer_.has_room(at.time_ns)) {
      // Those behind it stay late as well: they came after it.
      full_.push_back(at);
      late_left_ = true;
    } else if (auto added = main_writer_.add(late_->row(), at.order); !added) {
      return added;
    }
    if (auto moved = late_->next(); !moved) {
      return moved;
    }
  }
  return {};
}

bool RunMerge::joins(std::int64_t time_ns) {
  if (first_main_ns_ && last_main_ns_ && *first_main_ns_ <= time_ns && time_ns <= *last_main_ns_) {
    return true;
  }
  const std::uint8_t retention_class = class_of(series_.second);
  const std::size_t group = groups_.index_of(retention_class, time_ns);
  alone_.resize(std::max(alone_.size(), group + 1));
  if (alone_[group] == 0) {
    alone_[group] = holds_alone(task_.others, {}, retention_class, groups_[group].span) ? 2 : 1;
  }
  return alone_[group] == 2;
}

Result<void> RunMerge::write_late() {
  if (!late_left_) {
    return {};
  }
  if (auto rewound = late_->rewind(); !rewound) {
    return rewound;
  }
  auto full = full_.begin();
  while (late_->valid()) {
    const LateRows::Position at = late_->position();
    while (full != full_.end() && full->time_ns < at.time_ns) {
      ++full;
    }
    const bool behind = full != full_.end() && full->time_ns == at.time_ns && *full <= at;
    if (behind || !joins(at.time_ns)) {
      if (auto added = late_writer_.add(late_->row(), at.order); !added) {
        return added;
      }
    }
    if (auto moved = late_->next(); !moved) {
      return moved;
    }
  }
  return late_writer_.flush();
}

Result<void> RunMerge::skip_series() {
  while (blocks_.valid() && series_ == Series{blocks_.key().device, blocks_.key().series}) {
    if (auto told =
            damaged(blocks_.input(), blocks_.key(), blocks_.block(), "its shape is not known");
        !told) {
      return told;
    }
    if (!tools_.pace(0)) {
      return fail(Errc::storage_unavailable, "the merge was ended");
    }
    if (auto moved = blocks_.next(); !moved) {
      return moved;
    }
  }
  return {};
}

void RunMerge::choose_erasures(std::uint32_t device) {
  erasures_.clear();
  for (const Erasure& erasure : task_.erasures) {
    if (erasure.device == device) {
      erasures_.push_back(&erasure);
    }
  }
}

bool RunMerge::hides(std::size_t input, std::uint64_t order, std::int64_t time_ns) const {
  return std::any_of(erasures_.begin(), erasures_.end(), [&](const Erasure* erasure) {
    return erasure->number > sets_[input].erased_through &&
           erasure->touches(order, time_ns, time_ns);
  });
}

Result<void> RunMerge::damaged(std::size_t input, const BlockKey& key, std::string_view block,
                               const std::string& reason) {
  Quarantine::Damage damage{key, INT64_MIN, task_.inputs[input].place, reason};
  std::int64_t last_time_ns = key.last_time_ns;
  if (const auto span = columnar::block_span(block)) {
    damage.first_time_ns = span->first_time_ns;
    last_time_ns = std::max(last_time_ns, span->last_time_ns); // Either may be the damage.
  }
  const bool erased =
      std::any_of(task_.erasures.begin(), task_.erasures.end(), [&](const Erasure& erasure) {
        return erasure.device == key.device && erasure.number > sets_[input].erased_through &&
               erasure.touches(key.order, std::min(damage.first_time_ns, last_time_ns),
                               last_time_ns);
      });
  if (erased) {
    log::warn("block-damaged", "a damaged block may hold erased records: it is not kept",
              {{"device_number", std::uint64_t{key.device}},
               {"last_time_ns", key.last_time_ns},
               {"place", std::string_view(damage.place)},
               {"reason", std::string_view(reason)}});
    return {};
  }
  return quarantine_.set_aside(damage, block);
}

Result<void> RunMerge::unreadable(const BlockCursor::Unreadable& part) {
  const BlockKey key{part.from_device, 0, BlockKind::main, INT64_MAX, 0};
  const std::string to =
      part.to_device == 0 ? "the end" : "before device " + std::to_string(part.to_device);
  return quarantine_.report(
      {key, INT64_MIN, task_.inputs[part.input].place,
       "blocks from this device on to " + to + " can not be read: " + part.reason});
}

Result<void> RunMerge::block(std::size_t group, const BlockKey& key, std::string_view bytes,
                             const BlockFacts& facts) {
  if (writers_.size() <= group) {
    writers_.resize(group + 1);
  }
  if (writers_[group] == nullptr) {
    writers_[group] =
        std::make_unique<RunWriter>(files_, tools_.next_run(), groups_[group].retention_class);
  }
  return writers_[group]->add(key, bytes, facts);
}

Result<void> RunMerge::finish() {
  std::uint64_t erased_through = 0;
  for (const Erasure& erasure : task_.erasures) {
    erased_through = std::max<std::uint64_t>(erased_through, erasure.number);
  }
  for (const auto& writer : writers_) {
    if (writer == nullptr) {
      continue;
    }
    if (auto finished = writer->finish(); !finished) {
      return finished;
    }
    Run run = writer->run();
    // No wider than its rows: readers and retention look at it.
    const std::int64_t width = partition_width_ns(tools_.retention_s(run.retention_class));
    run.from_ns = partition_of(run.first_time_ns, width).from_ns;
    run.to_ns = partition_of(run.last_time_ns, width).to_ns;
    run.level = task_.level;
    run.erased_through = static_cast<decltype(run.erased_through)>(erased_through);
    made_.bytes += run.bytes;
    made_.runs.push_back(run);
    made_.paths.insert(made_.paths.end(), writer->paths().begin(), writer->paths().end());
  }
  made_.rows += main_writer_.rows() + late_writer_.rows();
  made_.duplicates = main_writer_.duplicates() + late_writer_.duplicates();
  std::sort(made_.runs.begin(), made_.runs.end(),
            [](const Run& a, const Run& b) { return a.number < b.number; });
  return {};
}

} // namespace spate::storage
