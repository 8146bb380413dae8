#include "storage/row_source.hpp"

#include <algorithm>
#include <limits>

#include "storage/block.hpp"
#include "storage/keys.hpp"
#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

constexpr std::int64_t kTimeMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kTimeMax = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kMainRank = 0; // Late blocks have their sequence, from 1.
constexpr std::uint64_t kTailRank = std::numeric_limits<std::uint64_t>::max();

/// Whether the iterator stands on a block of this device, shape and kind.
bool on_block(const rocksdb::Iterator& at, std::uint32_t device, std::uint32_t shape,
              BlockKind kind, BlockKey& key) {
  return at.Valid() && parse_block_key(view_of(at.key()), key) && key.device == device &&
         key.series == shape && key.kind == kind;
}

class TailSource final : public RowSource {
public:
  TailSource(DeviceView::Shape shape, const TimeRange& range, const std::string& bytes)
      : RowSource(shape, range, kTailRank), bytes_(bytes) {
    bound_ = range.descending ? kTimeMax : kTimeMin;
  }

  Result<void> load() override {
    std::vector<RowView> rows;
    if (!exhausted_) {
      RowCursor cursor(bytes_);
      for (RowView row; cursor.next(row);) {
        rows.push_back(row);
      }
      std::sort(rows.begin(), rows.end(), earlier);
    }
    exhausted_ = true;
    take(std::move(rows));
    return {};
  }

private:
  const std::string& bytes_; ///< The view's.
};

class LateBlock final : public RowSource {
public:
  LateBlock(DeviceView::Shape shape, const TimeRange& range, rocksdb::Iterator& blocks,
            const BlockKey& key, std::int64_t first_time_ns)
      : RowSource(shape, range, key.order), blocks_(blocks), key_(key) {
    bound_ = range.descending ? key.last_time_ns : first_time_ns;
  }

  Result<void> load() override {
    std::vector<RowView> rows;
    if (!exhausted_) {
      const std::string key = block_key(key_);
      blocks_.Seek(key);
      if (!blocks_.status().ok()) {
        return fail(error_of(blocks_.status()));
      }
      if (!blocks_.Valid() || blocks_.key() != rocksdb::Slice(key)) {
        return fail(Errc::storage_corrupt, "a block that was listed is not there");
      }
      value_.assign(blocks_.value().data(), blocks_.value().size());
      if (auto decoded = decode_block(value_, rows); !decoded) {
        return decoded;
      }
    }
    exhausted_ = true;
    take(std::move(rows));
    return {};
  }

private:
  rocksdb::Iterator& blocks_;
  const BlockKey key_;
  std::string value_;
};

/// Main blocks are disjoint in time, so they are read one after the other.
class MainBlocks final : public RowSource {
public:
  MainBlocks(DeviceView::Shape shape, const TimeRange& range, rocksdb::Iterator& blocks,
             std::uint32_t device)
      : RowSource(shape, range, kMainRank), blocks_(blocks), device_(device) {
    bound_ = range.descending ? range.last_ns : range.first_ns;
    // Descending begins with the first block that ends at or after the range's end.
    next_ = block_key({device, shape.number, BlockKind::main, bound_, 0});
  }

  Result<void> load() override {
    std::vector<RowView> rows;
    while (rows.empty() && !exhausted_) {
      if (!seek()) {
        exhausted_ = true;
        if (!blocks_.status().ok()) {
          return fail(error_of(blocks_.status()));
        }
        break;
      }
      value_.assign(blocks_.value().data(), blocks_.value().size());
      const auto header = decode_header(value_);
      if (!header) {
        return fail(header.error());
      }
      if (range_.descending ? header->last_time_ns < range_.first_ns
                            : header->first_time_ns > range_.last_ns) {
        exhausted_ = true;
        break;
      }
      if (header->first_time_ns > range_.last_ns) {
        continue; // Descending: this one lies behind the range's end, the one before it may not.
      }
      if (auto decoded = decode_block(value_, rows); !decoded) {
        return decoded;
      }
      take(std::move(rows));
      if (loaded()) {
        return {};
      }
      rows.clear();
    }
    take({});
    return {};
  }

private:
  bool seek() {
    BlockKey key;
    if (!range_.descending) {
      blocks_.Seek(next_);
      if (!on_block(blocks_, device_, shape_.number, BlockKind::main, key)) {
        return false;
      }
      next_ = block_key(key).append(1, '\0'); // The next key there is.
      return true;
    }
    if (!started_) {
      started_ = true;
      blocks_.Seek(next_);
      if (!blocks_.status().ok()) {
        return false; // The next seek would forget it.
      }
      if (!on_block(blocks_, device_, shape_.number, BlockKind::main, key)) {
        blocks_.SeekForPrev(next_);
      }
    } else {
      blocks_.SeekForPrev(next_);
      if (blocks_.Valid() && blocks_.key() == rocksdb::Slice(next_)) {
        blocks_.Prev();
      }
    }
    if (!on_block(blocks_, device_, shape_.number, BlockKind::main, key)) {
      return false;
    }
    next_ = block_key(key);
    return true;
  }

  rocksdb::Iterator& blocks_;
  const std::uint32_t device_;
  std::string next_; ///< Ascending: where to seek; descending: the block that was read last.
  std::string value_;
  bool started_ = false;
};

} // namespace

void RowSource::take(std::vector<RowView>&& rows) {
  const auto out_of_range = [this](const RowView& row) {
    return row.time_ns < range_.first_ns || row.time_ns > range_.last_ns;
  };
  rows.erase(std::remove_if(rows.begin(), rows.end(), out_of_range), rows.end());
  if (range_.descending) {
    std::reverse(rows.begin(), rows.end());
    for (auto first = rows.begin(); first != rows.end();) {
      const auto last = std::find_if(
          first, rows.end(), [&](const RowView& row) { return row.time_ns != first->time_ns; });
      std::reverse(first, last);
      first = last;
    }
  }
  if (!rows.empty()) {
    bound_ = rows.back().time_ns; // What is loaded next begins there or behind it.
  }
  rows_ = std::move(rows);
  next_ = 0;
}

Error given_up_error() {
  return {Errc::storage_unavailable, "the read was given up"};
}

Result<void> add_sources(const DeviceView& view, DeviceView::Shape shape,
                         const ScanRequest& request, const TimeRange& range,
                         rocksdb::Iterator& blocks, RowSources& out) {
  for (const DeviceView::TailCopy& tail : view.tails) {
    if (tail.shape == shape.number) {
      out.push_back(std::make_unique<TailSource>(shape, range, tail.bytes));
    }
  }
  out.push_back(std::make_unique<MainBlocks>(shape, range, blocks, view.device));
  BlockKey key;
  for (blocks.Seek(block_key({view.device, shape.number, BlockKind::late, range.first_ns, 0}));
       on_block(blocks, view.device, shape.number, BlockKind::late, key); blocks.Next()) {
    if (given_up(request)) {
      return fail(given_up_error());
    }
    const auto header = decode_header(view_of(blocks.value()));
    if (!header) {
      return fail(header.error());
    }
    if (header->first_time_ns <= range.last_ns) {
      out.push_back(std::make_unique<LateBlock>(shape, range, blocks, key, header->first_time_ns));
    }
  }
  if (!blocks.status().ok()) {
    return fail(error_of(blocks.status()));
  }
  return {};
}

} // namespace spate::storage
