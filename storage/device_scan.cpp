#include "storage/device_scan.hpp"

#include <algorithm>
#include <queue>
#include <unordered_map>

#include "engine/model/row.hpp"
#include "storage/block_lookup.hpp"
#include "storage/row_source.hpp"

namespace spate::storage {

namespace {

constexpr std::size_t kPageRecordsMax = 100'000;
/// Up to this many records of one time are compared one by one.
constexpr std::size_t kCompareMax = 8;

/// A record that shares its time with the others of its group.
struct GroupRow {
  const model::Shape* shape = nullptr;
  RowView row;
  std::string values; ///< Owns what row.values shows, once its source has moved on.
};

bool repeats(const GroupRow& a, const GroupRow& b) {
  return a.shape == b.shape && a.row.source == model::TsSource::device &&
         b.row.source == model::TsSource::device &&
         model::same_values(*a.shape, a.values, b.values);
}

/// Leaves the first of each set of repeats. `group` is in order of arrival.
void drop_repeats(std::vector<GroupRow>& group) {
  std::vector<GroupRow> kept;
  std::unordered_multimap<std::uint64_t, std::size_t> by_hash;
  const bool hashed = group.size() > kCompareMax;
  for (GroupRow& row : group) {
    bool repeat = false;
    if (hashed) {
      const std::uint64_t hash = model::hash_values(*row.shape, row.values);
      const auto [first, last] = by_hash.equal_range(hash);
      repeat = std::any_of(first, last,
                           [&](const auto& entry) { return repeats(kept[entry.second], row); });
      if (!repeat) {
        by_hash.emplace(hash, kept.size());
      }
    } else {
      repeat = std::any_of(kept.begin(), kept.end(),
                           [&](const GroupRow& other) { return repeats(other, row); });
    }
    if (!repeat) {
      kept.push_back(std::move(row));
    }
  }
  group = std::move(kept);
}

/// Merges the sources and yields all records of one time at once.
class GroupReader {
public:
  GroupReader(RowSources sources, bool descending)
      : sources_(std::move(sources)), heap_(Later{descending}) {
    for (const auto& source : sources_) {
      heap_.push(source.get());
    }
  }

  /// The records of the next time in order of arrival, without repeats; empty at the end.
  Result<void> next(std::vector<GroupRow>& group) {
    group.clear();
    while (!heap_.empty()) {
      RowSource* source = heap_.top();
      if (!group.empty() && source->bound() != group.front().row.time_ns) {
        break;
      }
      heap_.pop();
      if (!source->loaded()) {
        if (auto loaded = source->load(); !loaded) {
          return loaded;
        }
      } else {
        group.push_back({&source->shape(), source->front(), std::string(source->front().values)});
        source->pop();
      }
      if (!source->finished()) {
        heap_.push(source);
      }
    }
    std::sort(group.begin(), group.end(),
              [](const GroupRow& a, const GroupRow& b) { return a.row.tie < b.row.tie; });
    drop_repeats(group);
    return {};
  }

private:
  struct Later {
    bool descending;
    bool operator()(const RowSource* a, const RowSource* b) const noexcept {
      if (a->bound() != b->bound()) {
        return descending ? a->bound() < b->bound() : a->bound() > b->bound();
      }
      return a->loaded() && !b->loaded(); // What may still hold rows of this time goes first.
    }
  };

  RowSources sources_;
  std::priority_queue<RowSource*, std::vector<RowSource*>, Later> heap_;
};

StoredRecord record_of(GroupRow&& row) {
  return {row.row.time_ns, row.row.received_ms,   row.row.source,
          row.shape,       std::move(row.values), row.row.tie};
}

/// Whether the record lies behind the position where the last page ended.
bool behind(const ScanRequest& request, const RowView& row) {
  if (!request.after) {
    return true;
  }
  if (row.time_ns != request.after->time_ns) {
    return request.descending ? row.time_ns < request.after->time_ns
                              : row.time_ns > request.after->time_ns;
  }
  return request.descending ? row.tie < request.after->tie : row.tie > request.after->tie;
}

} // namespace

Result<ScanPage> scan_device(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* blocks,
                             const DeviceView& view, const ScanRequest& request) {
  ScanPage page;
  if (request.to_ns <= request.from_ns) {
    return page;
  }
  // Whole groups are read, also the one that the last page ended in: its repeats must be known.
  TimeRange range{request.from_ns, request.to_ns - 1, request.descending};
  if (request.after && request.descending) {
    range.last_ns = std::min(range.last_ns, request.after->time_ns);
  } else if (request.after) {
    range.first_ns = std::max(range.first_ns, request.after->time_ns);
  }
  const auto at = block_iterator(db, blocks, view.snapshot.get());
  RowSources sources;
  for (const DeviceView::Shape& shape : view.shapes) {
    if (request.accepts && !request.accepts(*shape.shape)) {
      continue;
    }
    if (auto added = add_sources(view, shape, range, *at, sources); !added) {
      return fail(std::move(added.error()));
    }
  }
  GroupReader reader(std::move(sources), request.descending);
  const std::size_t limit = std::min(request.limit, kPageRecordsMax);
  std::vector<GroupRow> group;
  for (;;) {
    if (auto read = reader.next(group); !read) {
      return fail(std::move(read.error()));
    }
    if (group.empty()) {
      return page;
    }
    if (request.descending) {
      std::reverse(group.begin(), group.end());
    }
    for (GroupRow& row : group) {
      if (!behind(request, row.row)) {
        continue;
      }
      if (page.records.size() == limit) {
        page.more = true;
        return page;
      }
      page.records.push_back(record_of(std::move(row)));
    }
  }
}

Result<std::vector<StoredRecord>>
last_of_device(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* blocks, const DeviceView& view) {
  std::vector<StoredRecord> out;
  for (const DeviceView::Shape& shape : view.shapes) {
    ScanRequest newest;
    newest.from_ns = std::numeric_limits<std::int64_t>::min();
    newest.descending = true;
    newest.limit = 1;
    newest.accepts = [&shape](const model::Shape& other) { return &other == shape.shape; };
    auto page = scan_device(db, blocks, view, newest);
    if (!page) {
      return fail(std::move(page.error()));
    }
    for (StoredRecord& record : page->records) {
      out.push_back(std::move(record));
    }
  }
  return out;
}

} // namespace spate::storage
