#include "storage/block_lookup.hpp"

#include "engine/model/row.hpp"
#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

/// Late blocks are few; a device that made many of them gets its repeats sorted out by the readers.
constexpr int kLateBlocksMax = 16;

/// Whether a device-stamped row of a block's body has this time and the same values.
bool holds_row(std::string_view bytes, const model::Shape& shape, std::int64_t time_ns,
               std::string_view values) noexcept {
  RowCursor cursor(bytes);
  for (RowView row; cursor.next(row);) {
    if (row.time_ns == time_ns && row.source == model::TsSource::device &&
        model::same_values(shape, row.values, values)) {
      return true;
    }
  }
  return false;
}

} // namespace

std::unique_ptr<rocksdb::Iterator> block_iterator(rocksdb::DB& db,
                                                  rocksdb::ColumnFamilyHandle* blocks,
                                                  const rocksdb::Snapshot* snapshot) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  options.prefix_same_as_start = true; // Files without the device are passed over by their filter.
  return std::unique_ptr<rocksdb::Iterator>(db.NewIterator(options, blocks));
}

Result<bool> BlockLookup::holds(std::uint32_t device, std::uint32_t number,
                                const model::Shape& shape, std::int64_t time_ns,
                                std::string_view values, Budget& left) {
  --left.lookups;
  const auto at = block_iterator(*db_, blocks_, nullptr);
  for (const BlockKind kind : {BlockKind::main, BlockKind::late}) {
    int looked = 0;
    BlockKey key;
    for (at->Seek(block_key({device, number, kind, time_ns, 0}));
         at->Valid() && parse_block_key(view_of(at->key()), key) && key.device == device &&
         key.series == number && key.kind == kind;
         at->Next()) {
      const auto header = decode_header(view_of(at->value()));
      if (!header) {
        return fail(header.error());
      }
      if (header->rows > left.rows) {
        left.lookups = 0; // Nor for the next row: its blocks would be read for nothing.
        return false;
      }
      left.rows -= header->rows;
      if (header->first_time_ns <= time_ns && holds_row(header->body, shape, time_ns, values)) {
        return true;
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
  return false;
}

} // namespace spate::storage
