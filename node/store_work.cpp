#include "node/store_work.hpp"

#include <chrono>
#include <memory>
#include <random>
#include <thread>
#include <utility>

#include "api/offline.hpp"
#include "cli/store_verbs.hpp"
#include "engine/base/clock.hpp"
#include "engine/base/uuid.hpp"
#include "storage/directory_format.hpp"
#include "storage/kept_log.hpp"
#include "storage/manifest_check.hpp"
#include "storage/store.hpp"
#include "storage/store_check.hpp"

namespace spate::node {

namespace {

using Directories = cli::OfflineStore::Directories;

constexpr std::chrono::milliseconds kPollPause{50};

/// What the directories say of themselves. Nothing is created where there is no store.
Result<storage::StoreOptions> options_of(const Directories& directories) {
  storage::StoreOptions options;
  options.data_dirs = directories;
  options.commit_interval_us = 0;
  options.fold_cpu_max = 1; // Nothing else is under way.
  // What the node keeps is not known here: nothing of a kept log goes, and none is begun.
  options.log_retention_s = 0;
  options.log_retention_bytes = 0;
  for (const std::string& path : directories) {
    auto format = storage::read_format(path);
    if (!format) {
      return fail(std::move(format.error()));
    }
    if (!*format) {
      return fail(Errc::storage_format, path + " is empty and no Spate data directory: give the "
                                               "--data-dir of the node");
    }
    if ((*format)->count != directories.size()) {
      return fail(Errc::storage_format, path + " belongs to a store of " +
                                            std::to_string((*format)->count) +
                                            " data directories: give --data-dir for each");
    }
    if (!storage::has_database(path)) {
      return fail(Errc::storage_corrupt, path + " holds no database, or its file CURRENT is "
                                                "missing: put it back from a copy");
    }
    options.shards = static_cast<std::uint16_t>((*format)->shards);
    if (storage::KeptLog::is_kept(storage::database_path(path))) {
      options.log_retention_bytes = UINT64_MAX;
    }
  }
  return options;
}

/// A store with what the doors need of a node around it.
struct OpenStore {
  model::ShapeTable shapes;
  std::unique_ptr<storage::Store> store;
  std::optional<api::Services> services;
};

/// All of it, or an error: half a store would look like a whole one. `checking`: half is enough.
Result<std::unique_ptr<OpenStore>> open_store(const Directories& directories,
                                              bool checking = false) {
  auto options = options_of(directories);
  if (!options) {
    return fail(std::move(options.error()));
  }
  auto made = std::make_unique<OpenStore>();
  auto store = storage::Store::open(std::move(*options), made->shapes);
  if (!store) {
    return fail(std::move(store.error()));
  }
  made->store = std::move(*store);
  made->services.emplace(api::Services{*made->store, made->shapes});
  made->services->started_ms = wall_ms();
  for (const storage::ShardHealth& shard : made->store->health()) {
    if (!shard.ok && !checking) {
      return fail(Errc::storage_unavailable, shard.detail);
    }
  }
  return made;
}

Uuid new_id() {
  return UuidSource(std::random_device{}()).next(wall_ms());
}

/// Until it has ended.
Result<storage::Operation> await(storage::Store& store, const Uuid& id,
                                 const cli::StoreProgress& progress) {
  for (;; std::this_thread::sleep_for(kPollPause)) {
    auto operation = store.operation(id);
    if (!operation) {
      return fail(std::move(operation.error()));
    }
    if (!*operation) {
      return fail(Errc::storage_unavailable, "the operation is not known any more");
    }
    progress((*operation)->done, (*operation)->total);
    if ((*operation)->ended()) {
      return std::move(**operation);
    }
  }
}

Result<std::string> compact(const Directories& directories, const cli::StoreProgress& progress) {
  const auto open = open_store(directories);
  if (!open) {
    return fail(open.error());
  }
  const auto begun = (*open)->store->compact(new_id());
  if (!begun) {
    return fail(begun.error());
  }
  const auto ended = await(*(*open)->store, begun->id, progress);
  if (!ended) {
    return fail(ended.error());
  }
  return api::operation_document(*ended);
}

Result<cli::StoreCheck> check(const Directories& directories, const cli::StoreProgress& progress) {
  cli::StoreCheck out;
  for (const std::string& path : directories) { // Opening it writes a new one.
    for (const storage::DamagedLog& log :
         storage::find_damaged_logs(storage::database_path(path))) {
      out.faults.push_back(path + ": a record of the write-ahead log is damaged: " + log.place() +
                           "; what was written behind it is lost.");
    }
  }
  const auto open = open_store(directories, true);
  if (!open && open.error().code != Errc::storage_corrupt) {
    return fail(open.error());
  }
  if (!open) {
    out.faults.push_back(open.error().detail + "; it was not checked.");
    return out;
  }
  for (const storage::ShardHealth& shard : (*open)->store->health()) {
    if (!shard.ok) {
      out.faults.push_back("Shard " + std::to_string(static_cast<unsigned>(shard.shard)) +
                           " can not be opened and was not checked: " + shard.detail);
    }
  }
  const auto begun = (*open)->store->check(new_id());
  if (!begun) {
    return fail(begun.error());
  }
  const auto ended = await(*(*open)->store, begun->id, progress);
  if (!ended) {
    return fail(ended.error());
  }
  if (!cli::read_check(ended->result, out)) {
    return fail(Errc::storage_unavailable, "the check did not end: " + ended->error);
  }
  for (std::string& fault : storage::check_small_databases(directories.front()).faults) {
    out.faults.push_back(std::move(fault));
  }
  return out;
}

Result<std::vector<std::string>> read_log(const Directories& directories,
                                          const cli::LogQuery& query,
                                          const std::function<bool(std::string_view)>& write) {
  std::vector<storage::LogPosition> after(directories.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    after[i].directory = static_cast<std::uint16_t>(i);
  }
  for (const std::string& text : query.from) {
    const auto position = storage::parse_log_position(text);
    if (!position) {
      return fail(Errc::usage, text + ": " + position.error().detail);
    }
    if (position->directory >= after.size()) {
      return fail(Errc::usage, "position " + text + " is of data directory " +
                                   std::to_string(position->directory) + ", given were " +
                                   std::to_string(after.size()) + ", counted from 0");
    }
    after[position->directory] = *position;
  }
  const auto open = open_store(directories);
  if (!open) {
    return fail(open.error());
  }
  std::uint64_t left = query.limit == 0 ? UINT64_MAX : query.limit;
  bool go_on = true;
  std::vector<std::string> next;
  for (const storage::LogPosition& from : after) {
    auto reached = go_on ? api::log_offline(*(*open)->services, {from, query.device}, left,
                                            [&](std::string_view lines) {
                                              go_on = write(lines);
                                              return go_on;
                                            })
                         : Result<storage::LogPosition>(from);
    // A device has its records in one directory.
    if (!reached && reached.error().code == Errc::device_unknown && after.size() > 1) {
      reached = from;
    }
    if (!reached) {
      return fail(std::move(reached.error()));
    }
    next.push_back(storage::text_of(*reached));
  }
  return next;
}

} // namespace

cli::OfflineStore store_work() {
  cli::OfflineStore work;
  work.stats = [](const Directories& directories) -> Result<std::string> {
    const auto open = open_store(directories);
    if (!open) {
      return fail(open.error());
    }
    return api::store_document(*(*open)->services);
  };
  work.compact = compact;
  work.export_range = [](const Directories& directories, const std::string& target,
                         const std::function<bool(std::string_view)>& write) -> Result<void> {
    const auto open = open_store(directories);
    if (!open) {
      return fail(open.error());
    }
    return api::export_offline(*(*open)->services, target, write);
  };
  work.log = read_log;
  work.check = check;
  return work;
}

} // namespace spate::node
