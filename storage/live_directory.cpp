#include "storage/live_directory.hpp"

#include <algorithm>
#include <charconv>

#include "engine/base/clock.hpp"
#include "engine/base/log.hpp"
#include "storage/manifest_check.hpp"

namespace spate::storage {

namespace {

constexpr const char* kRejectionsFamily = "rejections";
/// Generation 0; the fold will make the next ones.
constexpr const char* kBlocksFamily = "blk0";

/// The number of a window's family, or nothing for other families.
bool window_id(const std::string& name, std::uint64_t& id) {
  if (name.compare(0, kWindowPrefix.size(), kWindowPrefix) != 0) {
    return false;
  }
  const char* end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + kWindowPrefix.size(), end, id);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

} // namespace

LiveDirectory::LiveDirectory(const LiveOptions& options, std::atomic<std::uint64_t>& devices_total)
    : options_(options), devices_total_(devices_total),
      state_(options.policy, options.recent_keys_max),
      builder_(state_, ring_, options.limits, devices_total) {}

LiveDirectory::~LiveDirectory() {
  devices_total_.fetch_sub(state_.devices.size(), std::memory_order_relaxed);
  windows_.reset();
  snapshot_.reset();
  if (db_ == nullptr) {
    return;
  }
  for (auto* family : {families_.meta, families_.rejections, families_.blocks}) {
    if (family != nullptr) {
      db_->DestroyColumnFamilyHandle(family);
    }
  }
}

Result<std::unique_ptr<LiveDirectory>>
LiveDirectory::open(const LiveOptions& options, model::ShapeTable& shapes,
                    const DeviceTable* earlier, std::atomic<std::uint64_t>& devices_total,
                    ErrorHandler on_error) {
  std::unique_ptr<LiveDirectory> live(new LiveDirectory(options, devices_total));
  RocksOptions rocks = rocks_options(options.rocks, options.env, options.name, on_error);
  rocks.db.create_if_missing = options.create;
  std::vector<std::uint64_t> ids;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const auto named = [&options](Error error) {
    error.detail = options.name + ": " + error.detail;
    return fail(std::move(error));
  };
  if (auto opened = live->open_database(rocks, ids, handles); !opened) {
    return named(std::move(opened.error()));
  }
  LogWindows::Limits limits;
  limits.window_bytes = options.rocks.window_bytes;
  limits.next_id = ids.empty() ? 0 : ids.back() + 1;
  live->on_error_ = on_error;
  live->windows_ = std::make_unique<LogWindows>(*live->db_, rocks.log, limits, std::move(on_error));
  for (auto* handle : handles) {
    live->windows_->adopt(handle);
  }
  live->builder_.attach(BlockLookup(*live->db_, live->families_.blocks), live->families_);
  auto loaded = live->load_meta(shapes);
  if (loaded) {
    loaded = live->ring_.load(*live->db_, live->families_.rejections, options.rejections_max);
  }
  for (std::size_t i = 0; i < handles.size() && loaded; ++i) {
    loaded = live->replay(i, handles[i]);
  }
  live->state_.find_full();
  if (loaded) {
    loaded = live->windows_->start();
  }
  if (!loaded) {
    return named(std::move(loaded.error()));
  }
  if (earlier != nullptr) {
    live->restore_devices(*earlier);
  }
  live->ring_visible_ = live->ring_.range();
  live->publish_snapshot();
  return live;
}

Result<void> LiveDirectory::open_database(RocksOptions& options, std::vector<std::uint64_t>& ids,
                                          std::vector<rocksdb::ColumnFamilyHandle*>& handles) {
  if (auto sound = check_manifest(options_.path); !sound) {
    return sound;
  }
  for (const std::string& place : find_cut_logs(options_.path)) {
    log::warn("log-cut", "a record of the write-ahead log is damaged; what came behind it is lost",
              {{"data_dir", std::string_view(options_.name)}, {"reason", std::string_view(place)}});
  }
  std::vector<std::string> names;
  const auto listed = rocksdb::DB::ListColumnFamilies(options.db, options_.path, &names);
  if (!listed.ok() && !listed.IsPathNotFound() && !listed.IsNotFound() && !listed.IsIOError()) {
    return fail(error_of(listed));
  }
  for (const std::string& name : names) {
    std::uint64_t id = 0;
    if (window_id(name, id)) {
      ids.push_back(id);
    }
  }
  std::sort(ids.begin(), ids.end());
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  families.emplace_back(rocksdb::kDefaultColumnFamilyName, options.meta);
  families.emplace_back(kRejectionsFamily, options.rejections);
  families.emplace_back(kBlocksFamily, options.blocks);
  for (const std::uint64_t id : ids) {
    families.emplace_back(std::string(kWindowPrefix) + std::to_string(id), options.log);
  }
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> opened;
  const auto status =
      rocksdb::DB::Open(rocksdb::DBOptions(options.db), options_.path, families, &opened, &db);
  if (!status.ok()) {
    return fail(error_of(status));
  }
  db_.reset(db);
  families_ = {opened[0], opened[1], opened[2]};
  handles.assign(opened.begin() + 3, opened.end());
  return {};
}

Result<void> LiveDirectory::load_meta(model::ShapeTable& shapes) {
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options, families_.meta));
  // In the order of their letters: devices, then pairs, which need them, then shapes.
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    if (auto loaded = load_entry(view_of(at->key()), view_of(at->value()), shapes); !loaded) {
      return loaded;
    }
  }
  if (!at->status().ok()) {
    return fail(error_of(at->status()));
  }
  if (shapes_used_ > state_.shapes.size()) {
    return fail(Errc::storage_corrupt, "the definition of a shape is missing");
  }
  return {};
}

Result<void> LiveDirectory::load_entry(std::string_view key, std::string_view value,
                                       model::ShapeTable& shapes) {
  ByteReader number(key.substr(1));
  ByteReader content(value);
  bool sound = true;
  switch (key[0]) {
  case meta::kDevice: {
    const std::size_t name = key.find('\0');
    const auto device = static_cast<model::DeviceNumber>(content.be<std::uint32_t>());
    const auto first_seen = static_cast<std::int64_t>(content.be<std::uint64_t>());
    sound = content.ok() && name != std::string_view::npos &&
            state_.devices.restore(device, key.substr(name + 1), first_seen);
    if (sound) {
      Device& restored = *state_.devices.at(device);
      restored.recorded = true;
      restored.durable = true;
      devices_total_.fetch_add(1, std::memory_order_relaxed);
    }
    break;
  }
  case meta::kDeviceShape: {
    const auto device = static_cast<model::DeviceNumber>(number.be<std::uint32_t>());
    const auto shape = number.be<std::uint32_t>();
    const bool sealed = !value.empty();
    const std::int64_t sealed_max = sealed ? time_of(content.be<std::uint64_t>()) : Tail::kNever;
    const auto last_seen = sealed ? static_cast<std::int64_t>(content.be<std::uint64_t>()) : 0;
    Device* known = state_.devices.at(device);
    sound = number.ok() && content.ok() && known != nullptr;
    if (sound) {
      known->last_seen_ms = std::max(known->last_seen_ms, last_seen);
      Tail& tail = state_.add_tail(device, shape, BlockKind::main);
      tail.sealed_max = tail.seen_max = sealed_max;
      shapes_used_ = std::max(shapes_used_, shape);
    }
    break;
  }
  case meta::kShape: {
    const auto index = number.be<std::uint32_t>();
    const auto shape = shapes.decode(value);
    if (!shape) {
      return fail(shape.error());
    }
    sound = number.ok() && index != 0 && index <= state_.shapes.size() + 1;
    if (sound) {
      state_.shapes.restore(index, **shape);
    }
    break;
  }
  default:
    sound = false;
  }
  if (!sound) {
    return fail(Errc::storage_corrupt, "an entry of the device register can not be read");
  }
  return {};
}

Result<void> LiveDirectory::replay(std::size_t index, rocksdb::ColumnFamilyHandle* window) {
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  options.fill_cache = false;
  std::size_t bytes = 0;
  std::uint64_t last = 0;
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options, window));
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    const auto key = view_of(at->key());
    last = key.size() == sizeof(std::uint64_t) ? get_be<std::uint64_t>(key.data()) : 0;
    // Only windows from the oldest on are dropped, so the first commit has any number.
    const bool first = state_.sequence == 0;
    if (last == 0 || (!first && last != state_.sequence + 1)) {
      return fail(Errc::storage_corrupt, "the log misses commits: its last whole one is " +
                                             std::to_string(state_.sequence) + ", then comes " +
                                             std::to_string(last) +
                                             "; put the directory back from a copy");
    }
    state_.sequence = last;
    if (auto replayed = replay_commit(view_of(at->value()), first); !replayed) {
      return replayed;
    }
    bytes += at->value().size();
    state_.log_position += at->value().size();
  }
  if (!at->status().ok()) {
    return fail(error_of(at->status()));
  }
  windows_->replayed(index, last, bytes);
  return {};
}

/// First the tails that this commit sealed are emptied, then its rows are added: seals cover rows
/// of earlier commits only.
Result<void> LiveDirectory::replay_commit(std::string_view commit, bool first) {
  const auto damaged = [] {
    return fail(Errc::storage_corrupt, "a commit in the log can not be read");
  };
  LogDecoder decoder;
  if (!decoder.begin(commit) || (!first && decoder.next_tie() != state_.next_tie)) {
    return damaged();
  }
  const auto tail_of = [this](std::uint32_t number, std::uint32_t shape, BlockKind kind) -> Tail* {
    const auto device = static_cast<model::DeviceNumber>(number);
    const Device* found = state_.devices.at(device);
    if (found == nullptr || DirectoryState::find_tail(*found, shape, BlockKind::main) == nullptr) {
      return nullptr; // Pairs are durable with their first row.
    }
    Tail* tail = DirectoryState::find_tail(*found, shape, kind);
    return tail != nullptr ? tail : &state_.add_tail(device, shape, kind);
  };
  for (SealRecord seal; decoder.next_seal(seal);) {
    Tail* tail = tail_of(seal.device, seal.shape, seal.kind);
    if (tail == nullptr) {
      return damaged();
    }
    state_.sealed(*tail);
  }
  for (LogRow row; decoder.next_row(row);) {
    Tail* tail = tail_of(row.device, row.shape, row.kind);
    if (tail == nullptr) {
      return damaged();
    }
    state_.append(*tail, row.row);
    Device* device = state_.devices.at(static_cast<model::DeviceNumber>(row.device));
    device->last_seen_ms = std::max(device->last_seen_ms, row.row.received_ms);
  }
  if (!decoder.complete()) {
    return damaged();
  }
  state_.next_tie = decoder.next_tie();
  return {};
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

void LiveDirectory::publish_snapshot() {
  rocksdb::DB* db = db_.get();
  snapshot_ = std::shared_ptr<const rocksdb::Snapshot>(
      db->GetSnapshot(), [db](const rocksdb::Snapshot* s) { db->ReleaseSnapshot(s); });
}

Result<void> LiveDirectory::build(const Blocks& blocks, std::int64_t now_ms) {
  return builder_.build(blocks, now_ms, windows_->active());
}

rocksdb::Status LiveDirectory::write() {
  last_write_us_ = 0;
  if (builder_.empty()) {
    const std::scoped_lock lock(state_.mutex);
    builder_.apply();
    return rocksdb::Status::OK();
  }
  // A window may go only after the seals that emptied it are synced.
  rocksdb::WriteOptions how;
  how.sync = options_.durability == Durability::fsync || windows_->releasable(state_.floor());
  const std::int64_t start = steady_ns();
  if (auto status = db_->Write(how, &builder_.batch()); !status.ok()) {
    return status;
  }
  last_write_us_ = static_cast<std::uint64_t>(steady_ns() - start) / 1000;
  std::shared_ptr<const rocksdb::Snapshot> old; // Released outside of the lock.
  {
    const std::scoped_lock lock(state_.mutex);
    if (builder_.sealed()) {
      // Readers see the rows in their tail or in their block: both change here, at once.
      old = std::move(snapshot_);
      publish_snapshot();
    }
    builder_.apply();
    ring_visible_ = ring_.range();
  }
  if (how.sync) {
    windows_->released(state_.floor());
  }
  if (builder_.logged() && windows_->wrote(state_.sequence, builder_.log_bytes())) {
    flush_small_families();
  }
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
  const std::scoped_lock lock(state_.mutex);
  stats.tail_bytes += state_.tail_bytes;
  stats.tail_rows += state_.tail_rows;
  stats.devices += state_.devices.size();
  stats.shapes += state_.shapes.size();
}

std::unique_ptr<DeviceView> LiveDirectory::view(const std::string& device) const {
  const std::scoped_lock lock(state_.mutex);
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
      made->shapes.push_back({tail->shape, state_.shapes.at(tail->shape)});
    }
    if (!tail->empty()) {
      made->tails.push_back({tail->shape, std::string(tail->bytes())});
    }
  }
  made->snapshot = snapshot_;
  return made;
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
