// The reading half of DataDirectory: on the caller's thread, while the database is kept open.
#include <algorithm>

#include "storage/aggregate.hpp"
#include "storage/data_directory.hpp"
#include "storage/device_scan.hpp"
#include "storage/keys.hpp"
#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

/// The view as aggregates want it.
AggregatedDevice aggregated(rocksdb::DB& db, const DeviceView& view) {
  AggregatedDevice out{{db, *view.blocks, view.device}, {}, {}, view.blocks->erasures};
  for (const DeviceView::Series& series : view.series) {
    out.series.push_back({series.number, series.shape, series.kept_from_ns});
  }
  for (const DeviceView::TailCopy& tail : view.tails) {
    TailRows rows{tail.series, tail.kind, {}};
    RowCursor cursor(tail.bytes);
    for (RowView row; cursor.next(row);) {
      rows.rows.push_back(row);
    }
    out.tails.push_back(std::move(rows));
  }
  return out;
}

bool fits(const RejectionQuery& query, const model::Rejection& rejection) {
  return (!query.device || rejection.device == *query.device) &&
         (!query.reason || rejection.reason == *query.reason) &&
         rejection.received_ms >= query.from_ms && rejection.received_ms < query.to_ms;
}

} // namespace

template <class T, class Read>
Result<T> DataDirectory::with_live(Read&& read) {
  if (open_.load(std::memory_order_acquire)) {
    const std::shared_lock lock(open_mutex_);
    if (live_ != nullptr) {
      auto result = read(*live_);
      if (!result && result.error().detail.find(options_.path) == std::string::npos) {
        result.error().detail = options_.path + ": " + result.error().detail;
      }
      return result;
    }
  }
  return closed();
}

tl::unexpected<Error> DataDirectory::closed() const {
  const std::string why = fault();
  return fail(Errc::storage_unavailable, options_.path + ": " + (why.empty() ? "closed" : why));
}

Result<bool> DataDirectory::knows(std::string_view device) const {
  const std::shared_lock lock(open_mutex_, std::try_to_lock);
  if (!lock.owns_lock() || live_ == nullptr) {
    return closed();
  }
  return live_->knows(device);
}

Result<void> DataDirectory::with_database(const DatabaseUser& use) {
  return with_live<void>([&](LiveDirectory& live) {
    std::shared_lock<std::shared_mutex> held;
    if (live.kept_log() != nullptr) {
      held = live.kept_log()->hold();
    }
    return use(options_.path, live.database(), [this] { return closing(); });
  });
}

Result<ScanPage> DataDirectory::scan(const ScanRequest& request) {
  return with_live<ScanPage>([&](LiveDirectory& live) -> Result<ScanPage> {
    const auto view = live.view(request.device);
    if (view == nullptr) {
      return fail(Errc::device_unknown, "no device " + request.device);
    }
    ScanRequest mine = request;
    mine.cancelled = [&] { return closing() || (request.cancelled && request.cancelled()); };
    return scan_device(live.database(), *view, mine);
  });
}

Result<ScanPage> DataDirectory::last(const std::string& device) {
  return with_live<ScanPage>([&](LiveDirectory& live) -> Result<ScanPage> {
    return live.last(device, [this] { return closing(); });
  });
}

Result<LastPage> DataDirectory::lasts(const LastRequest& request, std::uint32_t& after) {
  return with_live<LastPage>([&](LiveDirectory& live) {
    LastRequest mine = request;
    mine.cancelled = [&] { return closing() || (request.cancelled && request.cancelled()); };
    return live.lasts(mine, after);
  });
}

Result<AggregatePage> DataDirectory::aggregate(const AggregateRequest& request) {
  return with_live<AggregatePage>([&](LiveDirectory& live) -> Result<AggregatePage> {
    const auto view = live.view(request.device);
    if (view == nullptr) {
      return fail(Errc::device_unknown, "no device " + request.device);
    }
    AggregateRequest mine = request;
    mine.cancelled = [&] { return closing() || (request.cancelled && request.cancelled()); };
    return aggregate_device(aggregated(live.database(), *view), mine);
  });
}

Result<LogPage> DataDirectory::log(const LogRequest& request) {
  return with_live<LogPage>([&](LiveDirectory& live) {
    LogRequest mine = request;
    mine.cancelled = [&] { return closing() || (request.cancelled && request.cancelled()); };
    return live.log(mine);
  });
}

Result<std::optional<Operation>> DataDirectory::operation(const Uuid& id) {
  using Found = std::optional<Operation>;
  return with_live<Found>(
      [&](LiveDirectory& live) -> Result<Found> { return live.operations().find(id, now_ms()); });
}

bool DataDirectory::uses_key(const std::string& idempotency_key) {
  const auto used = with_live<bool>([&](LiveDirectory& live) -> Result<bool> {
    return !idempotency_key.empty() &&
           live.operations().find_key(idempotency_key, now_ms()).has_value();
  });
  return used && *used;
}

Result<OperationPage> DataDirectory::operations(const OperationQuery& query) {
  return with_live<OperationPage>([&](LiveDirectory& live) -> Result<OperationPage> {
    return live.operations().list(query, now_ms());
  });
}

Result<void> DataDirectory::with_open(const std::function<Result<void>(LiveDirectory&)>& use) {
  return with_live<void>([&](LiveDirectory& live) { return use(live); });
}

Result<DevicePage> DataDirectory::devices(const std::string& after, std::size_t limit) {
  return with_live<DevicePage>([&](LiveDirectory& live) -> Result<DevicePage> {
    DevicePage page;
    std::vector<std::uint32_t> numbers;
    rocksdb::ReadOptions options;
    options.total_order_seek = true;
    const std::unique_ptr<rocksdb::Iterator> at(
        live.database().NewIterator(options, live.families().meta));
    const std::string prefix = meta::device_key({});
    const std::string start = after.empty() ? prefix : meta::device_key(after).append(1, '\0');
    for (at->Seek(start); at->Valid(); at->Next()) {
      const std::string_view key = view_of(at->key());
      if (key.substr(0, prefix.size()) != prefix) {
        break;
      }
      if (page.devices.size() == limit) {
        page.more = true;
        break;
      }
      ByteReader value(view_of(at->value()));
      numbers.push_back(value.be<std::uint32_t>());
      const auto first_seen = static_cast<std::int64_t>(value.be<std::uint64_t>());
      if (!value.ok()) {
        return fail(Errc::storage_corrupt, "an entry of the device register can not be read");
      }
      page.devices.push_back({std::string(key.substr(prefix.size())), first_seen, 0});
    }
    if (!at->status().ok()) {
      return fail(error_of(at->status()));
    }
    std::vector<std::int64_t> last_seen;
    live.last_seen(numbers, last_seen);
    for (std::size_t i = 0; i < page.devices.size(); ++i) {
      page.devices[i].last_seen_ms = last_seen[i];
    }
    return page;
  });
}

Result<DataDirectory::Rejections>
DataDirectory::rejections(const RejectionQuery& query, std::uint64_t below, std::size_t limit) {
  return with_live<Rejections>([&](LiveDirectory& live) -> Result<Rejections> {
    const RejectionRing::Range range = live.rejections();
    Rejections found;
    found.dropped = range.oldest - 1;
    found.next = range.next;
    below = std::min(below, range.next);
    if (below <= range.oldest || limit == 0) {
      return found;
    }
    rocksdb::ReadOptions options;
    options.total_order_seek = true;
    const std::unique_ptr<rocksdb::Iterator> at(
        live.database().NewIterator(options, live.families().rejections));
    for (at->SeekForPrev(number_key(below - 1)); at->Valid(); at->Prev()) {
      const std::string_view key = view_of(at->key());
      const auto number =
          key.size() == sizeof(std::uint64_t) ? get_be<std::uint64_t>(key.data()) : 0;
      auto rejection = RejectionRing::decode(view_of(at->value()));
      if (number < range.oldest || !rejection) {
        if (number < range.oldest) {
          break;
        }
        return fail(std::move(rejection.error()));
      }
      if (!fits(query, *rejection)) {
        continue;
      }
      found.entries.push_back({number, std::move(*rejection)});
      if (found.entries.size() == limit) {
        break;
      }
    }
    if (!at->status().ok()) {
      return fail(error_of(at->status()));
    }
    return found;
  });
}

void DataDirectory::add_to(StoreStats& stats) const {
  // Not waiting for a reopening: it may last.
  const std::shared_lock lock(open_mutex_, std::try_to_lock);
  bool open = false;
  {
    const std::scoped_lock status(status_mutex_);
    open = open_.load(std::memory_order_acquire); // Else the database's counts are in stats_.
    stats.commits += stats_.commits;
    stats.rows_stored += stats_.rows_stored;
    stats.rows_duplicate += stats_.rows_duplicate;
    stats.log_bytes += stats_.log_bytes;
    stats.blocks_sealed += stats_.blocks_sealed;
    stats.reopens += stats_.reopens;
    stats.sync_us.merge(stats_.sync_us);
    stats.commit_rows.merge(stats_.commit_rows);
    add_counts(stats, stats_);
  }
  KeptLogFigures figures;
  stats.queue_bytes += queue_.bytes();
  stats.erasures_blocked += work_ != nullptr ? work_->erasures_blocked() : 0;
  stats.disk_used_bytes += used_bytes_.load(std::memory_order_relaxed);
  if (lock.owns_lock() && live_ != nullptr && open) {
    live_->add_to(stats);
    figures = live_->kept_log() != nullptr ? live_->kept_log()->figures() : figures;
  }
  stats.kept_logs.push_back(figures);
  if (const auto space = options_.internals.disk_space(options_.path)) {
    stats.disk_free_bytes = std::min(stats.disk_free_bytes, space->free_bytes);
  }
}

/// Those that a database keeps while it is open.
void DataDirectory::add_counts(StoreStats& to, const StoreStats& from) {
  to.sealed_bytes += from.sealed_bytes;
  to.wal_bytes += from.wal_bytes;
  to.flush_bytes += from.flush_bytes;
  to.folds += from.folds;
  to.merges += from.merges;
  to.folded_rows += from.folded_rows;
  to.fold_bytes += from.fold_bytes;
  to.fold_cpu_us += from.fold_cpu_us;
  to.fold_duplicates += from.fold_duplicates;
  to.expired_runs += from.expired_runs;
  to.expired_rows += from.expired_rows;
}

} // namespace spate::storage
