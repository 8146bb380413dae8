#include "storage/block_lookup.hpp"

#include <algorithm>

#include "engine/model/row.hpp"
#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

/// Late blocks are few; a device that made many of them gets its repeats sorted out by the readers.
constexpr int kLateBlocksMax = 16;

} // namespace

std::unique_ptr<rocksdb::Iterator> block_iterator(rocksdb::DB& db,
                                                  rocksdb::ColumnFamilyHandle* blocks,
                                                  const rocksdb::Snapshot* snapshot) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  options.prefix_same_as_start = true; // Files without the device are passed over by their filter.
  return std::unique_ptr<rocksdb::Iterator>(db.NewIterator(options, blocks));
}

Result<bool> BlockLookup::holds(std::uint32_t device, std::uint32_t series,
                                const model::Shape& shape, std::int64_t time_ns,
                                std::string_view values, Budget& left) {
  const Hidden hidden(view_->erasures, device, 0);
  // The newest first: what is sent again was mostly sent a moment ago.
  for (auto generation = view_->generations.rbegin(); generation != view_->generations.rend();
       ++generation) {
    if (left.lookups == 0) {
      return false;
    }
    --left.lookups;
    const auto at = block_iterator(*db_, (*generation)->handle(), nullptr);
    for (const BlockKind kind : {BlockKind::main, BlockKind::late}) {
      int looked = 0;
      BlockKey key;
      for (at->Seek(block_key({device, series, kind, time_ns, 0}));
           at->Valid() && parse_block_key(view_of(at->key()), key) && key.device == device &&
           key.series == series && key.kind == kind;
           at->Next()) {
        const auto span = columnar::block_span(view_of(at->value()));
        if (!span) {
          return fail(span.error());
        }
        if (span->rows > left.rows) {
          left.lookups = 0; // Nor for the next row: its blocks would be read for nothing.
          return false;
        }
        left.rows -= span->rows;
        if (span->first_time_ns <= time_ns) {
          auto held = holds_row(shape, view_of(at->value()), time_ns, values, hidden, key.order);
          if (!held || *held) {
            return held;
          }
        }
        // Main blocks are disjoint: only the first that ends at or after the time can hold it.
        if (kind == BlockKind::main || ++looked == kLateBlocksMax) {
          break;
        }
      }
      if (!at->status().ok()) { // The next seek would forget it.
        return fail(error_of(at->status()));
      }
    }
  }
  return false;
}

Result<bool> BlockLookup::holds_row(const model::Shape& shape, std::string_view block,
                                    std::int64_t time_ns, std::string_view values,
                                    const Hidden& hidden, std::uint64_t order) {
  if (hidden.row(order, time_ns)) {
    return false;
  }
  const auto reader = columnar::BlockReader::open(shape, block);
  if (!reader) {
    return fail(reader.error());
  }
  if (const auto read = reader->times(times_); !read) {
    return fail(read.error());
  }
  if (!std::binary_search(times_.begin(), times_.end(), time_ns)) {
    return false;
  }
  rows_.clear();
  arena_.clear();
  if (const auto read = reader->all(rows_, arena_); !read) {
    return fail(read.error());
  }
  return std::any_of(rows_.begin(), rows_.end(), [&](const columnar::Row& row) {
    return row.time_ns == time_ns && row.source == model::TsSource::device &&
           model::same_values(shape, row.values, values);
  });
}

} // namespace spate::storage
