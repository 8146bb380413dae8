// Opening a data directory: its column families, what they say of it, and the replay of its log.
#include <algorithm>
#include <charconv>

#include "storage/live_directory.hpp"
#include "storage/manifest_check.hpp"
#include "storage/wal_file.hpp"

namespace spate::storage {

namespace {

constexpr const char* kRejectionsFamily = "rejections";
constexpr std::uint64_t kArchiveForS = 100ull * 365 * 86'400;

/// The number of a family `<prefix><number>`, or nothing for other families.
bool family_number(const std::string& name, std::string_view prefix, std::uint64_t& number) {
  if (name.compare(0, prefix.size(), prefix) != 0) {
    return false;
  }
  const char* end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + prefix.size(), end, number);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

} // namespace

Result<std::unique_ptr<LiveDirectory>>
LiveDirectory::open(const LiveOptions& options, model::ShapeTable& shapes,
                    const DeviceTable* earlier, std::atomic<std::uint64_t>& devices_total,
                    ErrorHandler on_error) {
  std::unique_ptr<LiveDirectory> live(new LiveDirectory(options, devices_total));
  live->on_error_ = on_error;
  RocksOptions rocks =
      rocks_options(options.rocks, options.env, options.name, std::move(on_error), live->flushed_);
  rocks.db.create_if_missing = options.create;
  if (options.kept_log_bytes_max != 0) {
    rocks.db.WAL_ttl_seconds = kArchiveForS; // KeptLog removes them.
  } else if (auto removed = KeptLog::remove_all(options.path, options.env); !removed) {
    return fail(std::move(removed.error()));
  }
  auto opened = live->open_database(rocks);
  Result<void> loaded;
  if (!opened) {
    loaded = fail(std::move(opened.error()));
  } else {
    loaded = live->load(rocks, std::move(*opened), shapes);
  }
  if (!loaded) {
    loaded.error().detail = options.name + ": " + loaded.error().detail;
    return fail(std::move(loaded.error()));
  }
  if (earlier != nullptr) {
    live->restore_devices(*earlier);
  }
  live->ring_visible_ = live->ring_.range();
  return live;
}

Result<LiveDirectory::Opened> LiveDirectory::open_database(const RocksOptions& options) {
  if (auto sound = check_manifest(options_.path); !sound) {
    return fail(std::move(sound.error()));
  }
  if (auto cut = cut_damaged_logs(options_.path, options_.name); !cut) {
    return fail(std::move(cut.error()));
  }
  std::vector<std::string> names;
  const auto listed = rocksdb::DB::ListColumnFamilies(options.db, options_.path, &names);
  if (!listed.ok() && !listed.IsPathNotFound() && !listed.IsNotFound() && !listed.IsIOError()) {
    return fail(error_of(listed));
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  families.emplace_back(rocksdb::kDefaultColumnFamilyName, options.meta);
  families.emplace_back(kRejectionsFamily, options.rejections);
  families.emplace_back(kRunsFamily, options.runs);
  families.emplace_back(kCatalogFamily, options.catalog);
  std::vector<std::uint64_t> windows;
  std::vector<std::uint64_t> generations;
  for (const std::string& name : names) {
    std::uint64_t number = 0;
    if (family_number(name, kWindowPrefix, number)) {
      windows.push_back(number);
    } else if (family_number(name, kGenerationPrefix, number)) {
      generations.push_back(number);
    }
  }
  std::sort(windows.begin(), windows.end());
  std::sort(generations.begin(), generations.end());
  for (const std::uint64_t number : windows) {
    families.emplace_back(std::string(kWindowPrefix) + std::to_string(number), options.log);
  }
  for (const std::uint64_t number : generations) {
    families.emplace_back(std::string(kGenerationPrefix) + std::to_string(number),
                          options.generation);
  }
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const auto status = rocksdb::DB::Open(options.db, options_.path, families, &handles, &db);
  if (!status.ok()) {
    return fail(error_of(status));
  }
  db_.reset(db);
  families_ = {handles[0], handles[1]};
  Opened opened;
  opened.runs = handles[2];
  opened.catalog = handles[3];
  auto handle = handles.begin() + 4;
  for (const std::uint64_t number : windows) {
    opened.windows.emplace_back(number, *handle++);
  }
  for (const std::uint64_t number : generations) {
    opened.generations.emplace_back(number, *handle++);
  }
  return opened;
}

Result<void> LiveDirectory::load(const RocksOptions& rocks, Opened opened,
                                 model::ShapeTable& shapes) {
  LogWindows::Limits limits;
  limits.window_bytes = options_.rocks.window_bytes;
  limits.next_id = opened.windows.empty() ? 0 : opened.windows.back().first + 1;
  windows_ = std::make_unique<LogWindows>(*db_, rocks.log, limits, on_error_);
  for (const auto& window : opened.windows) {
    windows_->adopt(window.second);
  }
  SealedBlocksOptions sealed;
  sealed.path = options_.path;
  sealed.name = options_.name;
  sealed.generation = rocks.generation;
  sealed.runs = rocks.runs;
  sealed.catalog = rocks.catalog;
  sealed.generation_bytes = options_.generation_bytes;
  sealed.fold_age_ms = options_.fold_age_ms;
  sealed.fold_cpu_max = options_.fold_cpu_max;
  sealed.env = options_.env;
  sealed.now_ms = options_.now_ms;
  blocks_ = std::make_unique<SealedBlocks>(*db_, state_, std::move(sealed), on_error_);
  auto loaded = load_meta(shapes);
  // It owns the handles, so it takes them also after an error.
  auto taken = blocks_->load(std::move(opened.generations), opened.runs, opened.catalog, erasures_);
  loaded = loaded ? std::move(taken) : std::move(loaded);
  if (loaded) {
    for (const Run& run : *blocks_->view()->runs) {
      next_erasure_ = std::max(next_erasure_, run.erased_through + 1);
    }
    loaded = ring_.load(*db_, families_.rejections, options_.rejections_max);
  }
  if (loaded) {
    auto book = OperationBook::open(*db_, families_.meta);
    if (!book) {
      loaded = fail(std::move(book.error()));
    } else {
      operations_ = std::move(*book);
    }
  }
  builder_.attach(families_);
  for (std::size_t i = 0; i < opened.windows.size() && loaded; ++i) {
    loaded = replay(i, opened.windows[i].second);
  }
  state_.find_full();
  for (const Erasure& erasure : erasures_) {
    state_.forget_last(erasure); // The log may still have what it hides.
  }
  if (loaded && options_.kept_log_bytes_max != 0) {
    loaded = start_kept_log(opened);
  }
  if (loaded) {
    loaded = windows_->start();
  }
  if (loaded) {
    loaded = blocks_->start();
  }
  return loaded;
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
  case meta::kDeviceSeries: {
    const auto device = static_cast<model::DeviceNumber>(number.be<std::uint32_t>());
    const auto series = number.be<std::uint32_t>();
    const bool sealed = !value.empty();
    const std::int64_t sealed_max = sealed ? time_of(content.be<std::uint64_t>()) : Tail::kNever;
    const auto last_seen = sealed ? static_cast<std::int64_t>(content.be<std::uint64_t>()) : 0;
    Device* known = state_.devices.at(device);
    sound = number.ok() && content.ok() && known != nullptr;
    if (sound) {
      known->last_seen_ms = std::max(known->last_seen_ms, last_seen);
      Tail& tail = state_.add_tail(device, series, BlockKind::main);
      tail.sealed_max = tail.seen_max = sealed_max;
      shapes_used_ = std::max(shapes_used_, shape_of(series));
      const std::string_view last = content.bytes(content.left());
      sound = last.empty() || state_.restore_last(tail, last);
    }
    break;
  }
  case meta::kClass: {
    const auto kept = number.be<std::uint32_t>();
    sound =
        state_.classes.restore(kept, content.be<std::uint32_t>()) && number.ok() && content.ok();
    break;
  }
  case meta::kErasure: {
    const auto erasure = decode_erasure(number.be<std::uint32_t>(), value);
    if (!erasure) {
      return fail(erasure.error());
    }
    next_erasure_ = std::max(next_erasure_, erasure->number + 1);
    erasures_.push_back(*erasure);
    break;
  }
  case meta::kOperation:
    break; // OperationBook's.
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

/// Writes the last commit to the new log file once more, synced: see KeptLog.
Result<void> LiveDirectory::start_kept_log(const Opened& opened) {
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  options.fill_cache = false;
  for (auto window = opened.windows.rbegin(); window != opened.windows.rend(); ++window) {
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options, window->second));
    at->SeekToLast();
    if (!at->status().ok()) {
      return fail(error_of(at->status()));
    }
    if (!at->Valid()) {
      continue;
    }
    rocksdb::WriteBatch batch;
    repeat_commit(batch, state_.sequence, view_of(at->value()));
    rocksdb::WriteOptions how;
    how.sync = true;
    if (const auto written = db_->Write(how, &batch); !written.ok()) {
      return fail(error_of(written));
    }
    break;
  }
  KeptLogOptions kept;
  kept.path = options_.path;
  kept.name = options_.name;
  kept.bytes_max = options_.kept_log_bytes_max;
  kept.age_ms_max = options_.kept_log_age_ms;
  kept.disk_scarce = options_.disk_scarce;
  kept.now_ms = options_.now_ms;
  kept.env = options_.env;
  kept_log_ = std::make_unique<KeptLog>(std::move(kept), state_.sequence);
  return {};
}

/// First the tails that this commit sealed are emptied, then its rows are added: seals cover rows
/// of earlier commits only.
Result<void> LiveDirectory::replay_commit(std::string_view commit, bool first) {
  const auto damaged = [] {
    return fail(Errc::storage_corrupt, "a commit in the log can not be read");
  };
  LogDecoder decoder;
  if (!decoder.begin(commit) || (!first && decoder.next_row_number() != state_.next_row)) {
    return damaged();
  }
  const auto tail_of = [this](std::uint32_t number, std::uint32_t series, BlockKind kind) -> Tail* {
    const auto device = static_cast<model::DeviceNumber>(number);
    const Device* found = state_.devices.at(device);
    if (found == nullptr || DirectoryState::find_tail(*found, series, BlockKind::main) == nullptr) {
      return nullptr; // Pairs are durable with their first row.
    }
    Tail* tail = DirectoryState::find_tail(*found, series, kind);
    return tail != nullptr ? tail : &state_.add_tail(device, series, kind);
  };
  for (SealRecord seal; decoder.next_seal(seal);) {
    Tail* tail = tail_of(seal.device, seal.series, seal.kind);
    if (tail == nullptr) {
      return damaged();
    }
    state_.sealed(*tail);
  }
  for (LogRow row; decoder.next_row(row);) {
    Tail* tail = tail_of(row.device, row.series, row.kind);
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
  state_.next_row = decoder.next_row_number();
  return {};
}

} // namespace spate::storage
