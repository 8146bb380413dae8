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
  const Question question{device, series, shape, time_ns, values};
  for (const Decoded& decoded : decoded_) {
    if (decoded.key.device == device && decoded.key.series == series &&
        holds_row(decoded, question)) {
      return true;
    }
  }
  // The newest first: what is sent again was mostly sent a moment ago.
  for (auto at = view_->generations.rbegin(); at != view_->generations.rend(); ++at) {
    if (auto held = set_holds(question, set_of(**at), true, left); !held || *held) {
      return held;
    }
  }
  for (auto run = view_->runs->rbegin(); run != view_->runs->rend(); ++run) {
    if (run->retention_class != class_of(series) || time_ns < run->first_time_ns ||
        time_ns > run->last_time_ns) {
      continue;
    }
    if (auto held = set_holds(question, set_of(*view_, *run), run->late_blocks != 0, left);
        !held || *held) {
      return held;
    }
  }
  return false;
}

Result<bool> BlockLookup::set_holds(const Question& question, const BlockSet& set, bool has_late,
                                    Budget& left) {
  if (left.lookups == 0) {
    return false;
  }
  --left.lookups;
  const auto at = block_iterator(*db_, set.family, nullptr);
  for (const BlockKind kind : {BlockKind::main, BlockKind::late}) {
    if (kind == BlockKind::late && !has_late) {
      break;
    }
    int looked = 0;
    BlockKey key;
    std::string from = set.prefix;
    append_block_key(from, {question.device, question.series, kind, question.time_ns, 0});
    for (at->Seek(from); at->Valid(); at->Next()) {
      const std::string_view found = view_of(at->key());
      if (found.substr(0, set.prefix.size()) != set.prefix ||
          !parse_block_key(found.substr(set.prefix.size()), key) || key.device != question.device ||
          key.series != question.series || key.kind != kind) {
        break;
      }
      const auto span = columnar::block_span(view_of(at->value()));
      if (!span) {
        return fail(span.error());
      }
      if (span->rows > left.rows) {
        left.lookups = 0; // Nor for the next row: its blocks would be read for nothing.
        return false;
      }
      left.rows -= span->rows;
      if (span->first_time_ns <= question.time_ns) {
        const auto decoded = decode(question, view_of(at->value()), key, set.erased_through);
        if (!decoded) {
          return fail(decoded.error());
        }
        if (holds_row(**decoded, question)) {
          return true;
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
  return false;
}

Result<const BlockLookup::Decoded*> BlockLookup::decode(const Question& question,
                                                        std::string_view block, const BlockKey& key,
                                                        std::uint32_t erased_through) {
  if (decoded_.size() < kDecodedMax) {
    oldest_ = decoded_.size();
    decoded_.emplace_back();
  }
  Decoded& decoded = decoded_[oldest_];
  oldest_ = (oldest_ + 1) % kDecodedMax;
  decoded.key = key;
  decoded.erased_through = erased_through;
  decoded.rows.clear();
  decoded.arena.clear();
  const auto reader = columnar::BlockReader::open(question.shape, block);
  if (!reader) {
    return fail(reader.error());
  }
  if (auto read = reader->all(decoded.rows, decoded.arena); !read) {
    return fail(std::move(read.error()));
  }
  return &decoded;
}

bool BlockLookup::holds_row(const Decoded& decoded, const Question& question) const {
  const auto earlier = [](const columnar::Row& row, std::int64_t time) {
    return row.time_ns < time;
  };
  auto row = std::lower_bound(decoded.rows.begin(), decoded.rows.end(), question.time_ns, earlier);
  if (row == decoded.rows.end() || row->time_ns != question.time_ns ||
      Hidden(view_->erasures, question.device, decoded.erased_through)
          .row(decoded.key.order, question.time_ns)) {
    return false;
  }
  for (; row != decoded.rows.end() && row->time_ns == question.time_ns; ++row) {
    if (row->source == model::TsSource::device &&
        model::same_values(question.shape, row->values, question.values)) {
      return true;
    }
  }
  return false;
}

} // namespace spate::storage
