#include "storage/device_scan.hpp"

#include <algorithm>
#include <utility>

#include "storage/block_lookup.hpp"
#include "storage/row_source.hpp"
#include "storage/time_group.hpp"

namespace spate::storage {

namespace {

constexpr std::size_t kPageRecordsMax = 100'000;

/// Merges the sources and gives all records of one time at once.
class GroupReader {
public:
  GroupReader(RowSources sources, const ScanRequest& request)
      : request_(request), heap_(std::move(sources)) {
    std::make_heap(heap_.begin(), heap_.end(), Later{request.descending});
  }

  /// Adds the records of the next time; none at the end.
  Result<void> next(TimeGroup& group) {
    const Later later{request_.descending};
    std::int64_t time = 0;
    while (!heap_.empty() && (group.empty() || heap_.front()->bound() == time)) {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      RowSource& source = *heap_.back();
      if (!source.loaded()) {
        if (given_up(request_)) {
          return fail(given_up_error());
        }
        if (auto loaded = source.load(); !loaded) {
          return loaded;
        }
      } else {
        time = source.front().time_ns;
        for (; source.loaded() && source.front().time_ns == time; source.pop()) {
          group.add(source.shape(), source.front());
        }
      }
      if (source.finished()) {
        heap_.pop_back(); // Its memory goes with it.
      } else {
        std::push_heap(heap_.begin(), heap_.end(), later);
      }
    }
    return {};
  }

private:
  struct Later {
    bool descending;
    bool operator()(const std::unique_ptr<RowSource>& a,
                    const std::unique_ptr<RowSource>& b) const noexcept {
      if (a->bound() != b->bound()) {
        return descending ? a->bound() < b->bound() : a->bound() > b->bound();
      }
      return a->rank() > b->rank(); // The group wants the rows of a shape in order of arrival.
    }
  };

  const ScanRequest& request_;
  RowSources heap_;
};

void add_record(ScanPage& page, const GroupRow& row) {
  page.records.push_back({row.row.time_ns, row.row.received_ms, row.row.source, row.shape,
                          page.arena.keep(row.values), row.row.tie});
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
    if (auto added = add_sources(view, shape, request, range, *at, sources); !added) {
      return fail(std::move(added.error()));
    }
  }
  GroupReader reader(std::move(sources), request);
  const std::size_t limit = std::min(request.limit, kPageRecordsMax);
  for (TimeGroup group(request);;) {
    group.begin(limit - page.records.size() + 1); // One more tells whether there is another page.
    if (auto read = reader.next(group); !read) {
      return fail(std::move(read.error()));
    }
    if (group.empty()) {
      return page;
    }
    for (GroupRow& row : group.take()) {
      if (page.records.size() == limit) {
        page.more = true;
        return page;
      }
      add_record(page, row);
    }
  }
}

Result<ScanPage> last_of_device(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* blocks,
                                const DeviceView& view, const std::function<bool()>& cancelled) {
  ScanPage out;
  for (const DeviceView::Shape& shape : view.shapes) {
    ScanRequest newest;
    newest.from_ns = std::numeric_limits<std::int64_t>::min();
    newest.descending = true;
    newest.limit = 1;
    newest.cancelled = cancelled;
    newest.accepts = [&shape](const model::Shape& other) { return &other == shape.shape; };
    auto page = scan_device(db, blocks, view, newest);
    if (!page) {
      return fail(std::move(page.error()));
    }
    for (StoredRecord& record : page->records) {
      record.values = out.arena.keep(record.values);
      out.records.push_back(record);
    }
  }
  return out;
}

} // namespace spate::storage
