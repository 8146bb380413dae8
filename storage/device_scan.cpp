#include "storage/device_scan.hpp"

#include <algorithm>
#include <limits>
#include <utility>

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
          group.add(source.series().number, *source.series().shape, source.front());
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
      // The group wants the rows of a series in order of arrival.
      return a->rank() != b->rank() ? a->rank() > b->rank()
                                    : a->series().number > b->series().number;
    }
  };

  const ScanRequest& request_;
  RowSources heap_;
};

void add_record(ScanPage& page, const GroupRow& row) {
  page.records.push_back({row.row.time_ns, row.row.received_ms, row.row.source, row.shape,
                          page.arena.keep(row.values), row.tie});
}

Result<void> scan_series(rocksdb::DB& db, const DeviceView& view, const ScanRequest& request,
                         const std::vector<DeviceView::Series>& wanted, ScanPage& page) {
  if (request.to_ns <= request.from_ns) {
    return {};
  }
  // Whole groups are read, also the one that the last page ended in: its repeats must be known.
  TimeRange range{request.from_ns, TimeSpan{request.from_ns, request.to_ns}.last_ns(),
                  request.descending};
  if (request.after && request.descending) {
    range.last_ns = std::min(range.last_ns, request.after->time_ns);
  } else if (request.after) {
    range.first_ns = std::max(range.first_ns, request.after->time_ns);
  }
  BlockIterators blocks(db, *view.blocks);
  RowSources sources;
  for (const DeviceView::Series& series : wanted) {
    if (auto added = add_sources(view, series, request, range, blocks, sources); !added) {
      return added;
    }
  }
  GroupReader reader(std::move(sources), request);
  const std::size_t limit = page.records.size() + std::min(request.limit, kPageRecordsMax);
  std::size_t bytes = 0;
  for (TimeGroup group(request);;) {
    // One more tells whether there is another page.
    group.begin(limit - page.records.size() + 1, request.bytes_max);
    if (auto read = reader.next(group); !read) {
      return read;
    }
    if (group.empty()) {
      return {};
    }
    bool all = true;
    for (const GroupRow& row : group.take(all)) {
      if (page.records.size() == limit || bytes > request.bytes_max) {
        page.more = true;
        return {};
      }
      add_record(page, row);
      bytes += row.values.size() + sizeof(StoredRecord);
    }
    if (!all) {
      page.more = true;
      return {};
    }
  }
}

} // namespace

Result<ScanPage> scan_device(rocksdb::DB& db, const DeviceView& view, const ScanRequest& request) {
  std::vector<DeviceView::Series> wanted;
  for (const DeviceView::Series& series : view.series) {
    if (!request.accepts || request.accepts(*series.shape)) {
      wanted.push_back(series);
    }
  }
  ScanPage page;
  if (auto read = scan_series(db, view, request, wanted, page); !read) {
    return fail(std::move(read.error()));
  }
  return page;
}

Result<void> add_last_of_series(rocksdb::DB& db, const DeviceView& view,
                                const DeviceView::Series& series,
                                const std::function<bool()>& cancelled, ScanPage& page) {
  ScanRequest newest;
  newest.from_ns = std::numeric_limits<std::int64_t>::min();
  newest.descending = true;
  newest.limit = 1;
  newest.cancelled = cancelled;
  auto read = scan_series(db, view, newest, {series}, page);
  page.more = false;
  return read;
}

} // namespace spate::storage
