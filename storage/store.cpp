// Spate - the store: routes to data directories and merges what they answer.
#include "storage/store.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <functional>
#include <future>
#include <map>
#include <random>

#include "engine/base/hash.hpp"
#include "storage/data_directory.hpp"
#include "storage/store_check.hpp"
#include "storage/store_internals.hpp"

namespace spate::storage {

namespace {

/// One operation of which each directory has its part.
Operation combine(Operation whole, const Operation& part) {
  whole.done += part.done;
  whole.total =
      whole.total && part.total ? std::optional(*whole.total + *part.total) : std::nullopt;
  whole.started_ms = std::max(whole.started_ms, part.started_ms);
  whole.finished_ms = std::max(whole.finished_ms, part.finished_ms);
  whole.error = whole.error.empty() ? part.error : whole.error;
  if (whole.type == OperationType::store_check && !whole.result.empty() && !part.result.empty()) {
    whole.result = join_reports(whole.result, part.result);
  } else if (whole.result.empty()) {
    whole.result = part.result;
  }
  if (whole.ended() && part.ended()) {
    const bool failed =
        whole.state == OperationState::failed || part.state == OperationState::failed;
    whole.state = failed ? OperationState::failed : whole.state;
  } else {
    const bool queued =
        whole.state == OperationState::queued && part.state == OperationState::queued;
    whole.state = queued ? OperationState::queued : OperationState::running;
    whole.finished_ms = 0;
    whole.result.clear(); // Of a part only.
  }
  return whole;
}

class StoreOfDirectories final : public Store {
public:
  StoreOfDirectories(std::uint16_t shards, std::vector<std::unique_ptr<DataDirectory>> directories,
                     std::unique_ptr<std::atomic<std::uint64_t>> devices_total)
      : shards_(shards), tenant_seed_(hash_bytes(model::kDefaultTenant)),
        devices_total_(std::move(devices_total)), directories_(std::move(directories)) {}
  ~StoreOfDirectories() override { StoreOfDirectories::stop(); }

  [[nodiscard]] model::ShardId shard_of(std::string_view device_id) const noexcept override {
    return static_cast<model::ShardId>(hash_bytes(device_id, tenant_seed_) % shards_);
  }
  [[nodiscard]] std::uint16_t shards() const noexcept override { return shards_; }
  void submit(std::unique_ptr<model::TelemetryBlock> block) override {
    directory(block->shard).submit(std::move(block));
  }
  [[nodiscard]] std::size_t queued_bytes(model::ShardId shard) const noexcept override {
    return directory(shard).queued_bytes();
  }

  [[nodiscard]] std::vector<ShardHealth> health() const override {
    std::vector<ShardHealth> out;
    for (std::uint16_t i = 0; i < shards_; ++i) {
      const auto shard = static_cast<model::ShardId>(i);
      std::string fault = directory(shard).fault();
      const bool ok = fault.empty();
      out.push_back({shard, ok, std::move(fault)});
    }
    return out;
  }

  [[nodiscard]] StoreStats stats() const override {
    StoreStats out;
    out.disk_free_bytes = ~std::uint64_t{0};
    for (const auto& each : directories_) {
      each->add_to(out);
    }
    return out;
  }

  [[nodiscard]] Result<bool> knows(const std::string& device) const override {
    return directory(shard_of(device)).knows(device);
  }
  Result<ScanPage> scan(const ScanRequest& request) override {
    return directory(shard_of(request.device)).scan(request);
  }
  Result<ScanPage> last(const std::string& device) override {
    return directory(shard_of(device)).last(device);
  }
  Result<LastPage> lasts(const LastRequest& request) override;
  Result<AggregatePage> aggregate(const AggregateRequest& request) override {
    return directory(shard_of(request.device)).aggregate(request);
  }
  Result<LogPage> log(const LogRequest& request) override;
  Result<Operation> erase(const EraseRequest& request) override;
  Result<Operation> compact(const Uuid& id) override;
  Result<Operation> check(const Uuid& id) override;
  Result<std::optional<Operation>> operation(const Uuid& id) override;
  Result<OperationPage> operations(const OperationQuery& query) override;
  Result<void> with_databases(const DatabaseUser& use) override {
    for (const auto& each : directories_) {
      if (auto used = each->with_database(use); !used) {
        return used;
      }
    }
    return {};
  }
  Result<DevicePage> devices(const std::string& after, std::size_t limit) override;
  Result<RejectionPage> rejections(const RejectionQuery& query) override;

  void stop() override {
    for (const auto& each : directories_) {
      each->stop();
    }
  }

private:
  [[nodiscard]] DataDirectory& directory(model::ShardId shard) const noexcept {
    return *directories_[static_cast<std::size_t>(shard) % directories_.size()];
  }

  const std::uint16_t shards_;
  const std::uint64_t tenant_seed_;
  const std::unique_ptr<std::atomic<std::uint64_t>> devices_total_;
  const std::vector<std::unique_ptr<DataDirectory>> directories_;
};

Result<std::vector<std::uint64_t>> parse_position(const std::string& text, std::size_t numbers);

Result<DevicePage> StoreOfDirectories::devices(const std::string& after, std::size_t limit) {
  DevicePage merged;
  for (const auto& each : directories_) {
    auto page = each->devices(after, limit);
    if (!page) {
      return page;
    }
    merged.more |= page->more;
    std::move(page->devices.begin(), page->devices.end(), std::back_inserter(merged.devices));
  }
  std::sort(merged.devices.begin(), merged.devices.end(),
            [](const DeviceInfo& a, const DeviceInfo& b) { return a.id < b.id; });
  if (merged.devices.size() > limit) {
    merged.more = true;
    merged.devices.resize(limit);
  }
  return merged;
}

/// A position is the directory's place and the number of the device in it: "1.4711".
Result<LastPage> StoreOfDirectories::lasts(const LastRequest& request) {
  std::vector<std::uint64_t> place = {0, 0};
  if (!request.after.empty()) {
    auto parsed = parse_position(request.after, 2);
    if (!parsed || (*parsed)[0] >= directories_.size() || (*parsed)[1] > UINT32_MAX) {
      return fail(Errc::cursor_invalid, "this position does not come from a list of last values");
    }
    place = std::move(*parsed);
  }
  LastPage merged;
  LastRequest rest = request;
  while (place[0] < directories_.size() && merged.devices.size() < request.limit) {
    rest.limit = request.limit - merged.devices.size();
    auto after = static_cast<std::uint32_t>(place[1]);
    auto page = directories_[place[0]]->lasts(rest, after);
    if (!page) {
      return page;
    }
    place[1] = after;
    const bool more = page->more;
    merged.arena.take(std::move(page->arena));
    std::move(page->devices.begin(), page->devices.end(), std::back_inserter(merged.devices));
    if (!more) {
      place = {place[0] + 1, 0};
    }
  }
  merged.more = place[0] < directories_.size();
  merged.position = std::to_string(place[0]) + "." + std::to_string(place[1]);
  return merged;
}

Result<LogPage> StoreOfDirectories::log(const LogRequest& request) {
  if (request.after.directory >= directories_.size()) {
    return fail(Errc::cursor_invalid, "position " + text_of(request.after) +
                                          " is of a data directory that the store does not have");
  }
  return directories_[request.after.directory]->log(request);
}

Result<Operation> StoreOfDirectories::erase(const EraseRequest& request) {
  DataDirectory& own = directory(shard_of(request.device));
  for (const auto& each : directories_) {
    if (each.get() != &own && each->uses_key(request.idempotency_key)) {
      return fail(Errc::idempotency_conflict, "this key was used for another request");
    }
  }
  return own.erase(request);
}

/// The operation is that of the first directory; it ends when all have ended.
Result<Operation> StoreOfDirectories::compact(const Uuid& id) {
  // Asked of all first: who is refused believes that nothing was begun.
  for (const auto& each : directories_) {
    if (auto open = each->check_open(); !open) {
      return fail(std::move(open.error()));
    }
  }
  std::optional<Operation> whole;
  for (const auto& each : directories_) {
    auto part = each->compact(id);
    if (!part) {
      return part;
    }
    whole = whole ? combine(*whole, *part) : *part;
  }
  return *whole;
}

Result<Operation> StoreOfDirectories::check(const Uuid& id) {
  std::optional<Operation> whole;
  std::optional<Error> error;
  for (const auto& each : directories_) {
    auto part = each->check(id);
    if (!part) {
      error = std::move(part.error());
    } else {
      whole = whole ? combine(*whole, *part) : *part;
    }
  }
  if (!whole) {
    return fail(std::move(*error));
  }
  return *whole;
}

Result<std::optional<Operation>> StoreOfDirectories::operation(const Uuid& id) {
  std::optional<Operation> whole;
  std::optional<Error> error;
  for (const auto& each : directories_) {
    auto part = each->operation(id);
    if (!part) {
      error = std::move(part.error());
    } else if (*part) {
      whole = whole ? combine(*whole, **part) : **part;
    }
  }
  if (!whole && error) {
    return fail(std::move(*error));
  }
  return whole;
}

Result<OperationPage> StoreOfDirectories::operations(const OperationQuery& query) {
  std::map<Uuid, Operation, std::greater<>> merged;
  OperationPage page;
  for (const auto& each : directories_) {
    auto part = each->operations(query);
    if (!part) {
      return part;
    }
    page.more = page.more || part->more;
    for (Operation& operation : part->operations) {
      const auto [at, added] = merged.try_emplace(operation.id, operation);
      if (!added) {
        at->second = combine(at->second, operation);
      }
    }
  }
  for (auto& [id, operation] : merged) {
    if (page.operations.size() == query.limit) {
      page.more = true;
      break;
    }
    page.operations.push_back(std::move(operation));
  }
  return page;
}

/// A position is the number of each directory's last entry shown, joined by points: "120.87".
std::string position_of(const std::vector<std::uint64_t>& below) {
  std::string out;
  for (const std::uint64_t number : below) {
    out.append(out.empty() ? "" : ".").append(std::to_string(number));
  }
  return out;
}

Result<std::vector<std::uint64_t>> parse_position(const std::string& text,
                                                  std::size_t directories) {
  std::vector<std::uint64_t> below;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (below.size() < directories) {
    std::uint64_t number = 0;
    const auto parsed = std::from_chars(at, end, number);
    if (parsed.ec != std::errc()) {
      break;
    }
    below.push_back(number);
    at = parsed.ptr;
    if (at == end || *at != '.') {
      break;
    }
    ++at;
  }
  if (below.size() != directories || at != end) {
    return fail(Errc::cursor_invalid, "this position does not come from a list of rejections");
  }
  return below;
}

Result<RejectionPage> StoreOfDirectories::rejections(const RejectionQuery& query) {
  std::vector<std::uint64_t> below(directories_.size(), ~std::uint64_t{0});
  if (!query.after.empty()) {
    auto parsed = parse_position(query.after, directories_.size());
    if (!parsed) {
      return fail(std::move(parsed.error()));
    }
    below = std::move(*parsed);
  }
  RejectionPage page;
  std::vector<DataDirectory::Rejections> lists;
  for (std::size_t i = 0; i < directories_.size(); ++i) {
    auto list = directories_[i]->rejections(query, below[i], query.limit + 1);
    if (!list) {
      return fail(std::move(list.error()));
    }
    below[i] = std::min(below[i], list->next);
    page.dropped += list->dropped;
    lists.push_back(std::move(*list));
  }
  std::vector<std::size_t> next(lists.size());
  for (;;) {
    std::size_t newest = lists.size();
    for (std::size_t i = 0; i < lists.size(); ++i) {
      if (next[i] < lists[i].entries.size() &&
          (newest == lists.size() ||
           lists[i].entries[next[i]].rejection.received_ms >
               lists[newest].entries[next[newest]].rejection.received_ms)) {
        newest = i;
      }
    }
    if (newest == lists.size()) {
      break;
    }
    if (page.rejections.size() == query.limit) {
      page.more = true;
      break;
    }
    auto& entry = lists[newest].entries[next[newest]++];
    below[newest] = entry.number;
    page.rejections.push_back(std::move(entry.rejection));
  }
  page.position = position_of(below);
  return page;
}

Result<void> check_options(const StoreOptions& options) {
  if (options.data_dirs.empty() || options.shards == 0 || options.seal_rows == 0) {
    return fail(Errc::config_invalid,
                "a store needs a data directory, a shard, and a row in a block at least");
  }
  if (options.shards < options.data_dirs.size()) {
    return fail(Errc::config_invalid,
                "there are more data directories than shards: give fewer --data-dir");
  }
  return {};
}

/// Refuses directories that are not the ones of one store in their order.
Result<void> check_formats(const StoreOptions& options,
                           const std::vector<std::optional<DirectoryFormat>>& formats) {
  const auto count = options.data_dirs.size();
  const std::string asked = std::to_string(options.shards);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string& path = options.data_dirs[i];
    if (!formats[i]) {
      return fail(
          Errc::storage_format,
          path + " is new while " + options.data_dirs[i == 0 ? 1 : 0] +
              " belongs to a store already: give all directories of that store, or new ones");
    }
    const DirectoryFormat& format = *formats[i];
    const std::string created = std::to_string(format.shards);
    if (format.shards != options.shards) {
      return fail(Errc::storage_shards_mismatch,
                  path + " was created with " + created + " shards, asked for " + asked +
                      ": start with --shards " + created + ", or give a new --data-dir");
    }
    if (format.count != count) {
      return fail(Errc::storage_format, path + " belongs to a store of " +
                                            std::to_string(format.count) +
                                            " data directories, asked for " +
                                            std::to_string(count) + ": give --data-dir for each");
    }
    if (format.store != formats[0]->store) {
      return fail(Errc::storage_format, path + " and " + options.data_dirs[0] +
                                            " belong to different stores: give the directories "
                                            "of one store");
    }
    if (format.index != i) {
      return fail(Errc::storage_format, path + " is directory " + std::to_string(format.index + 1) +
                                            " of its store but was given as number " +
                                            std::to_string(i + 1) +
                                            ": give --data-dir in the order of creation");
    }
  }
  return {};
}

/// Reads the formats; a store that is new, or whose creation was interrupted, gets them written.
Result<void> prepare_formats(const StoreOptions& options) {
  std::vector<std::optional<DirectoryFormat>> formats;
  bool used = false;
  bool all = true;
  for (const std::string& path : options.data_dirs) {
    auto format = read_format(path);
    if (!format) {
      return fail(std::move(format.error()));
    }
    used = used || has_database(path);
    all = all && format->has_value();
    formats.push_back(*format);
  }
  if (used || all) {
    return check_formats(options, formats);
  }
  std::random_device random;
  DirectoryFormat format;
  format.shards = options.shards;
  format.count = static_cast<std::uint32_t>(options.data_dirs.size());
  format.store = (static_cast<std::uint64_t>(random()) << 32) | random();
  for (const std::string& path : options.data_dirs) {
    if (auto written = write_format(path, format); !written) {
      return written;
    }
    ++format.index;
  }
  return {};
}

DataDirectoryOptions directory_options(const StoreOptions& options, const std::string& path,
                                       const StoreInternals& internals) {
  DataDirectoryOptions out;
  out.path = path;
  out.disk_free_min_bytes = options.disk_free_min_bytes;
  out.commit_interval_us = options.commit_interval_us;
  out.internals = internals;
  LiveOptions& live = out.live;
  live.path = database_path(path);
  live.name = path;
  live.durability = options.durability;
  live.policy.rows = options.seal_rows;
  live.policy.log_bytes_max = options.log_bytes_max;
  live.policy.tail_bytes_max = options.tail_bytes_max;
  live.policy.age_ms = options.seal_age_ms;
  live.limits.devices_max = options.devices_max;
  live.limits.shapes_per_device_max = options.shapes_per_device_max;
  // Each has a tail that stays, so they may take twice what their rows may.
  live.limits.device_series_max =
      std::min<std::uint64_t>(4 * options.devices_max, 2 * options.tail_bytes_max / sizeof(Tail));
  live.rocks.log_bytes_max = options.log_bytes_max;
  live.rocks.window_bytes =
      internals.window_bytes != 0
          ? internals.window_bytes
          : std::clamp<std::size_t>(options.log_bytes_max / 4, 1u << 20, 32u << 20);
  live.rocks.block_buffer_bytes = internals.block_buffer_bytes;
  live.rejections_max = options.rejections_max;
  live.recent_keys_max = internals.recent_keys_max;
  live.generation_bytes = internals.generation_bytes;
  live.fold_age_ms = options.fold_age_ms;
  live.fold_cpu_max = options.fold_cpu_max;
  live.kept_log_bytes_max = options.log_retention_bytes;
  live.kept_log_age_ms = std::int64_t{options.log_retention_s} * 1000;
  live.now_ms = internals.now_ms;
  live.env = internals.env;
  return out;
}

} // namespace

Result<std::unique_ptr<Store>> open_store(StoreOptions options, model::ShapeTable& shapes,
                                          StoreInternals internals) {
  if (auto checked = check_options(options); !checked) {
    return fail(std::move(checked.error()));
  }
  std::vector<DirectoryLock> locks;
  for (const std::string& path : options.data_dirs) {
    auto lock = DirectoryLock::take(path);
    if (!lock) {
      return fail(std::move(lock.error()));
    }
    locks.push_back(std::move(*lock));
  }
  if (auto prepared = prepare_formats(options); !prepared) {
    return fail(std::move(prepared.error()));
  }
  auto devices_total = std::make_unique<std::atomic<std::uint64_t>>(0);
  // Logs are replayed side by side.
  std::vector<std::future<Result<std::unique_ptr<DataDirectory>>>> opening;
  for (std::size_t i = 0; i < options.data_dirs.size(); ++i) {
    opening.push_back(
        std::async(std::launch::async,
                   [&shapes, &total = *devices_total, lock = std::move(locks[i]),
                    each = directory_options(options, options.data_dirs[i], internals)]() mutable {
                     return DataDirectory::open(std::move(each), std::move(lock), shapes, total);
                   }));
  }
  std::vector<std::unique_ptr<DataDirectory>> directories;
  std::optional<Error> error;  // Of a directory that is new: it was never part of a store.
  std::optional<Error> closed; // Of one that goes on trying.
  bool some_serve = false;
  for (auto& each : opening) {
    auto opened = each.get();
    if (!opened) {
      error = error ? std::move(error) : std::move(opened.error());
      continue;
    }
    const auto& why = (*opened)->open_error();
    // One that waits for space is as it should be.
    some_serve = some_serve || !why || why->code == Errc::storage_full;
    closed = closed ? std::move(closed) : why;
    directories.push_back(std::move(*opened));
  }
  if (error || !some_serve) {
    return fail(error ? std::move(*error) : std::move(*closed));
  }
  return std::unique_ptr<Store>(
      new StoreOfDirectories(options.shards, std::move(directories), std::move(devices_total)));
}

Result<std::unique_ptr<Store>> Store::open(StoreOptions options, model::ShapeTable& shapes) {
  return open_store(std::move(options), shapes, {});
}

} // namespace spate::storage
