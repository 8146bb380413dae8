#include "storage/live_directory.hpp"

#include <algorithm>

#include "engine/base/clock.hpp"
#include "storage/device_scan.hpp"

namespace spate::storage {

namespace {

/// Devices whose last values are copied in one go, while commits wait.
constexpr std::uint32_t kLastDevices = 256;

} // namespace

LiveDirectory::LiveDirectory(const LiveOptions& options, std::atomic<std::uint64_t>& devices_total)
    : options_(options), devices_total_(devices_total),
      state_(options.policy, options.recent_keys_max),
      builder_(state_, ring_, options.limits, devices_total) {}

LiveDirectory::~LiveDirectory() {
  devices_total_.fetch_sub(state_.devices.size(), std::memory_order_relaxed);
  windows_.reset();
  builder_.release();
  blocks_.reset();
  if (db_ == nullptr) {
    return;
  }
  for (auto* family : {families_.meta, families_.rejections}) {
    if (family != nullptr) {
      db_->DestroyColumnFamilyHandle(family);
    }
  }
}

void LiveDirectory::restore_devices(const DeviceTable& earlier) {
  for (std::uint32_t number = 1; number <= earlier.highest(); ++number) {
    const auto device = static_cast<model::DeviceNumber>(number);
    const Device* known = earlier.at(device);
    if (known != nullptr && state_.devices.restore(device, known->name, known->first_seen_ms)) {
      devices_total_.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

DeviceTable LiveDirectory::take_devices() {
  const std::scoped_lock lock(state_.mutex);
  devices_total_.fetch_sub(state_.devices.size(), std::memory_order_relaxed);
  return std::exchange(state_.devices, DeviceTable());
}

void LiveDirectory::tick(bool busy) {
  blocks_->busy(busy);
  blocks_->freeze_if_due(options_.now_ms());
  if (kept_log_ != nullptr) {
    kept_log_->trim_soon();
  }
}

std::optional<Erasure> LiveDirectory::erase(const std::string& device, std::int64_t from_ns,
                                            std::int64_t to_ns) {
  const std::scoped_lock lock(state_.mutex);
  const auto number = state_.devices.find(device);
  const Device* known = state_.devices.at(number);
  if (known == nullptr || !known->durable) {
    return std::nullopt;
  }
  for (Tail* tail = known->tails; tail != nullptr; tail = tail->next_of_device) {
    state_.seal_next(*tail);
  }
  Erasure erasure;
  erasure.number = next_erasure_++;
  erasure.device = static_cast<std::uint32_t>(number);
  erasure.from_ns = from_ns;
  erasure.to_ns = to_ns;
  builder_.erase(erasure);
  erasing_.push_back(erasure);
  return erasure;
}

void LiveDirectory::tick_log() {
  if (windows_->unreleased(state_.floor())) {
    builder_.mark();
  }
  blocks_->freeze_if_due(options_.now_ms());
}

bool LiveDirectory::tick_helps() const {
  if (blocks_->freezing()) {
    return true;
  }
  const std::scoped_lock lock(state_.mutex);
  return windows_->unreleased(state_.floor());
}

rocksdb::Status LiveDirectory::flush() {
  const auto view = blocks_->blocks();
  std::vector<rocksdb::ColumnFamilyHandle*> families = {families_.meta, families_.rejections,
                                                        blocks_->catalog_family()};
  for (const auto& generation : view->generations) {
    families.push_back(generation->handle());
  }
  rocksdb::FlushOptions options;
  options.allow_write_stall = true;
  for (auto* family : families) { // One that was dropped meanwhile is no error.
    if (auto status = db_->Flush(options, family);
        !status.ok() && !status.IsColumnFamilyDropped()) {
      return status;
    }
  }
  return rocksdb::Status::OK();
}

rocksdb::Status LiveDirectory::rewrite_register() {
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  if (auto status = db_->CompactRange(options, families_.meta, nullptr, nullptr); !status.ok()) {
    return status;
  }
  return db_->CompactRange(options, blocks_->catalog_family(), nullptr, nullptr);
}

bool LiveDirectory::readers_past(std::uint64_t write) {
  blocks_->renew_snapshot(write);
  std::uint64_t oldest = 0; // If there is none.
  return db_->GetIntProperty(rocksdb::DB::Properties::kOldestSnapshotSequence, &oldest) &&
         (oldest == 0 || oldest >= write);
}

Result<std::vector<std::string>> LiveDirectory::obsolete_tables() const {
  std::vector<std::string> names;
  if (const auto listed = db_->GetEnv()->GetChildren(options_.path, &names); !listed.ok()) {
    return fail(error_of(listed));
  }
  std::erase_if(names, [](const std::string& name) {
    constexpr std::string_view kTable = ".sst";
    return name.size() < kTable.size() ||
           name.compare(name.size() - kTable.size(), kTable.size(), kTable) != 0;
  });
  // Listed after the names: what came in between is not among them.
  std::vector<rocksdb::LiveFileMetaData> live;
  db_->GetLiveFilesMetaData(&live);
  std::erase_if(names, [&](const std::string& name) {
    return std::any_of(live.begin(), live.end(), [&](const rocksdb::LiveFileMetaData& file) {
      return std::string_view(file.name).substr(file.name.front() == '/' ? 1 : 0) == name;
    });
  });
  return names;
}

Result<void> LiveDirectory::remove_obsolete(std::vector<std::string>& names) const {
  // RocksDB forgets files that a read was the last to hold until it looks at the whole directory,
  // which it does when nobody forbids deletions any more.
  if (auto status = db_->DisableFileDeletions(); !status.ok()) {
    return fail(error_of(status));
  }
  if (auto status = allow_file_deletions(*db_); !status.ok()) {
    return fail(error_of(status));
  }
  auto now = obsolete_tables();
  if (!now) {
    return fail(std::move(now.error()));
  }
  std::erase_if(names, [&](const std::string& name) {
    return std::find(now->begin(), now->end(), name) == now->end();
  });
  return {};
}

rocksdb::Status LiveDirectory::renew_erasure(const Erasure& erasure) {
  std::string value;
  encode(erasure, value);
  return db_->Put({}, families_.meta, meta::number_key(meta::kErasure, erasure.number), value);
}

rocksdb::Status LiveDirectory::forget_erasure(std::uint32_t number) {
  std::string key(1, meta::kErasure);
  put_be(key, number);
  rocksdb::WriteOptions how;
  how.sync = true;
  if (auto status = db_->Delete(how, families_.meta, key); !status.ok()) {
    return status;
  }
  blocks_->remove_erasure(number);
  return rocksdb::Status::OK();
}

Result<std::uint64_t> LiveDirectory::current_log() const {
  // A list of all leaves out the newest while nothing is written to it.
  std::unique_ptr<rocksdb::LogFile> newest;
  if (const auto asked = db_->GetCurrentWalFile(&newest); !asked.ok()) {
    return fail(error_of(asked));
  }
  return newest->LogNumber();
}

Result<std::uint64_t> LiveDirectory::oldest_log() const {
  rocksdb::VectorLogPtr logs;
  if (const auto listed = db_->GetSortedWalFiles(logs); !listed.ok()) {
    return fail(error_of(listed));
  }
  const auto live = std::find_if(logs.begin(), logs.end(), [](const auto& log) {
    return log->Type() == rocksdb::kAliveLogFile;
  });
  return live == logs.end() ? UINT64_MAX : (*live)->LogNumber();
}

Result<void> LiveDirectory::drop_kept_log(std::uint64_t below) {
  return kept_log_ == nullptr ? Result<void>() : kept_log_->drop_below(below);
}

bool LiveDirectory::rotate_log() {
  if (!windows_->rotate()) {
    return false;
  }
  builder_.mark();
  return true;
}

Result<void> LiveDirectory::build(const Blocks& blocks, std::int64_t now_ms) {
  return builder_.build(blocks, now_ms, {windows_->active(), blocks_->active(), blocks_->lookup()});
}

rocksdb::Status LiveDirectory::write() {
  last_write_us_ = 0;
  if (builder_.empty()) {
    {
      const std::scoped_lock lock(state_.mutex);
      builder_.apply();
    }
    builder_.release();
    return rocksdb::Status::OK();
  }
  const bool logged = builder_.logged();
  {
    const std::scoped_lock turn(blocks_->turn());
    rocksdb::WriteOptions how;
    // A window may go only after the seals that emptied it are synced.
    how.sync = options_.durability == Durability::fsync || windows_->releasable(state_.floor()) ||
               !erasing_.empty();
    const std::int64_t start = steady_ns();
    if (auto status = db_->Write(how, &builder_.batch()); !status.ok()) {
      return status;
    }
    last_write_us_ = static_cast<std::uint64_t>(steady_ns() - start) / 1000;
    const std::scoped_lock lock(state_.mutex);
    wal_bytes_ += builder_.batch().GetDataSize();
    if (builder_.sealed()) {
      // Readers see the rows in their tail or in their block: both change here, at once.
      blocks_->sealed(builder_.sealed_bytes(), state_.sequence + 1);
    }
    builder_.apply();
    for (const Erasure& erasure : erasing_) {
      blocks_->add_erasure(erasure);
      state_.forget_last(erasure);
    }
    erasing_.clear();
    ring_visible_ = ring_.range();
    if (how.sync) {
      windows_->released(state_.floor());
    }
    if (kept_log_ != nullptr) {
      kept_log_->committed(state_.sequence);
    }
  }
  builder_.release(); // Else its view would keep what is folded, until another commit comes.
  if (logged && windows_->wrote(state_.sequence, builder_.log_bytes())) {
    flush_small_families();
  }
  blocks_->freeze_if_due(options_.now_ms());
  return rocksdb::Status::OK();
}

/// Their few writes would keep all write-ahead logs alive. Only starts it.
void LiveDirectory::flush_small_families() {
  rocksdb::FlushOptions options;
  options.wait = false;
  options.allow_write_stall = true;
  const auto status = db_->Flush(options, {families_.meta, families_.rejections});
  if (!status.ok() && !status.IsTryAgain()) { // Again: they are being flushed already.
    on_error_(status);                        // The commit before it stands.
  }
}

rocksdb::Status LiveDirectory::sync() {
  rocksdb::WriteOptions how;
  how.sync = true;
  rocksdb::WriteBatch nothing;
  return db_->Write(how, &nothing);
}

void LiveDirectory::add_to(StoreStats& stats) const {
  blocks_->add_to(stats);
  const std::scoped_lock lock(state_.mutex);
  stats.tail_bytes += state_.tail_bytes;
  stats.tail_fixed_bytes += state_.fixed_bytes();
  stats.tail_rows += state_.tail_rows;
  stats.devices += state_.devices.size();
  stats.shapes += state_.shapes.size();
  stats.wal_bytes += wal_bytes_;
  stats.flush_bytes += flushed_->load(std::memory_order_relaxed);
}

DeviceView::Series LiveDirectory::series_of_tail(const Tail& tail) const {
  DeviceView::Series series;
  series.number = tail.series;
  series.shape = state_.shapes.at(shape_of(tail.series));
  series.kept_from_ns = std::numeric_limits<std::int64_t>::min();
  if (const std::int64_t kept_s = state_.classes.seconds(class_of(tail.series)); kept_s != 0) {
    series.kept_from_ns = (options_.now_ms() - kept_s * 1000) * 1'000'000;
  }
  return series;
}

BlockOwner LiveDirectory::owner(std::uint32_t device, std::uint32_t series) const {
  const std::scoped_lock lock(state_.mutex);
  BlockOwner out;
  out.shape = state_.shapes.at(shape_of(series));
  if (const Device* known = state_.devices.at(static_cast<model::DeviceNumber>(device))) {
    out.device = known->name;
    out.has_series = DirectoryState::find_tail(*known, series, BlockKind::main) != nullptr;
  }
  return out;
}

std::unique_ptr<DeviceView> LiveDirectory::view(const std::string& device) const {
  std::unique_lock lock(state_.mutex);
  const auto number = state_.devices.find(device);
  const Device* known = state_.devices.at(number);
  // One whose only commit failed keeps its number, but nothing of it was stored.
  if (known == nullptr || !known->durable) {
    return nullptr;
  }
  auto made = std::make_unique<DeviceView>();
  made->device = static_cast<std::uint32_t>(number);
  for (const Tail* tail = known->tails; tail != nullptr; tail = tail->next_of_device) {
    if (tail->kind == BlockKind::main) {
      made->series.push_back(series_of_tail(*tail));
    }
    if (!tail->empty()) {
      made->tails.push_back({tail->series, tail->kind, std::string(tail->bytes())});
    }
  }
  made->blocks = blocks_->view();
  lock.unlock();
  std::stable_partition(made->tails.begin(), made->tails.end(),
                        [](const auto& tail) { return tail.kind == BlockKind::main; });
  return made;
}

/// Mutex held. False if it has none or it must be looked up: then known.last says which.
bool LiveDirectory::newest_of(const Device& device, const Tail& main, RowView& newest) const {
  bool known = RowCursor(main.last.bytes()).next(newest);
  if (!main.empty()) {
    newest = main.newest();
    known = true;
  }
  const Tail* late = DirectoryState::find_tail(device, main.series, BlockKind::late);
  if (known && late != nullptr && !late->empty() && late->max_time_ns() >= newest.time_ns) {
    newest = late->newest();
  }
  return known;
}

Result<ScanPage> LiveDirectory::last(const std::string& device,
                                     const std::function<bool()>& cancelled) const {
  ScanPage page;
  std::vector<DeviceView::Series> unknown; // Their newest row is too large to be kept, or erased.
  {
    const std::scoped_lock lock(state_.mutex);
    const Device* known = state_.devices.at(state_.devices.find(device));
    if (known == nullptr || !known->durable) {
      return fail(Errc::device_unknown, "no device " + device);
    }
    for (const Tail* tail = known->tails; tail != nullptr; tail = tail->next_of_device) {
      if (tail->kind != BlockKind::main) {
        continue;
      }
      const DeviceView::Series series = series_of_tail(*tail);
      RowView newest;
      if (!newest_of(*known, *tail, newest)) {
        unknown.push_back(series);
      } else if (newest.time_ns >= series.kept_from_ns) {
        page.records.push_back({newest.time_ns, newest.received_ms, newest.source, series.shape,
                                page.arena.keep(newest.values),
                                std::uint64_t{series.number} << 32});
      }
    }
  }
  if (unknown.empty()) {
    return page;
  }
  const auto all = view(device);
  for (const DeviceView::Series& series : unknown) {
    if (auto added = add_last_of_series(*db_, *all, series, cancelled, page); !added) {
      return fail(std::move(added.error()));
    }
  }
  return page;
}

Result<LastPage> LiveDirectory::lasts(const LastRequest& request, std::uint32_t& after) const {
  LastPage page;
  std::vector<std::pair<std::size_t, std::string>> unknown; // Devices to be looked up.
  for (std::uint32_t highest = after + 1; after < highest && page.devices.size() < request.limit;) {
    if (request.cancelled && request.cancelled()) {
      return fail(Errc::storage_unavailable, "the read was given up");
    }
    const std::scoped_lock lock(state_.mutex);
    highest = state_.devices.highest();
    const std::uint32_t end = std::min(highest, after + kLastDevices);
    while (after < end && page.devices.size() < request.limit) {
      const Device* device = state_.devices.at(static_cast<model::DeviceNumber>(++after));
      if (device == nullptr || !device->durable) {
        continue;
      }
      LastPage::Device out;
      bool look_up = false;
      for (const Tail* tail = device->tails; tail != nullptr; tail = tail->next_of_device) {
        if (tail->kind != BlockKind::main) {
          continue;
        }
        const DeviceView::Series series = series_of_tail(*tail);
        if (request.accepts && !request.accepts(*series.shape)) {
          continue;
        }
        RowView newest;
        if (!newest_of(*device, *tail, newest)) {
          look_up = true;
        } else if (newest.time_ns >= series.kept_from_ns) {
          out.records.push_back({newest.time_ns, newest.received_ms, newest.source, series.shape,
                                 page.arena.keep(newest.values),
                                 std::uint64_t{series.number} << 32});
        }
      }
      if (!look_up && out.records.empty()) {
        continue;
      }
      out.id = device->name;
      if (look_up) {
        unknown.emplace_back(page.devices.size(), device->name);
      }
      page.devices.push_back(std::move(out));
    }
    page.more = after < highest;
  }
  for (const auto& [index, name] : unknown) {
    auto found = last(name, request.cancelled);
    if (!found) {
      return fail(std::move(found.error()));
    }
    auto& records = page.devices[index].records;
    records.clear();
    for (StoredRecord& record : found->records) {
      if (!request.accepts || request.accepts(*record.shape)) {
        record.values = page.arena.keep(record.values);
        records.push_back(record);
      }
    }
  }
  page.devices.erase(std::remove_if(page.devices.begin(), page.devices.end(),
                                    [](const LastPage::Device& d) { return d.records.empty(); }),
                     page.devices.end());
  return page;
}

bool LiveDirectory::knows(std::string_view device) const {
  const std::scoped_lock lock(state_.names_mutex);
  const Device* known = state_.devices.at(state_.devices.find(device));
  return known != nullptr && known->durable;
}

void LiveDirectory::last_seen(const std::vector<std::uint32_t>& numbers,
                              std::vector<std::int64_t>& out) const {
  out.clear();
  const std::scoped_lock lock(state_.mutex);
  for (const std::uint32_t number : numbers) {
    const Device* device = state_.devices.at(static_cast<model::DeviceNumber>(number));
    out.push_back(device == nullptr ? 0 : device->last_seen_ms);
  }
}

RejectionRing::Range LiveDirectory::rejections() const {
  const std::scoped_lock lock(state_.mutex);
  return ring_visible_;
}

} // namespace spate::storage
