#include "storage/command_database.hpp"

#include <algorithm>

#include "storage/command_keys.hpp"
#include "storage/small_database.hpp"

namespace spate::storage {

namespace keys = command_keys;

namespace {

constexpr std::size_t kCacheBytes = 4u << 20;

/// What one list() may look at and return.
constexpr std::size_t kLookedAtMax = 10'000;
constexpr std::size_t kListBytesMax = 8u << 20;
/// What a page of open commands may weigh.
constexpr std::size_t kPageBytesMax = 4u << 20;

Error damaged(std::string_view device, const Uuid& id) {
  return {Errc::storage_corrupt, name_of_command(device, id) + " can not be read: it is damaged"};
}

std::size_t weight(const model::CommandRecord& record) noexcept {
  return record.command.args.size() + record.progress.result.size() + sizeof(record);
}

} // namespace

std::string name_of_command(std::string_view device, const Uuid& id) {
  return "command " + text_of(id) + " of " + std::string(device);
}

Result<std::unique_ptr<CommandDatabase>> CommandDatabase::open(const std::string& path,
                                                               rocksdb::Env* env, bool create,
                                                               ErrorHandler on_error) {
  auto db = open_small_database(path, env, create,
                                {kCommandLogFormat, "commands", encode_totals({}), kCacheBytes},
                                std::move(on_error));
  if (!db) {
    return fail(std::move(db.error()));
  }
  std::unique_ptr<CommandDatabase> made(new CommandDatabase);
  made->db_ = std::move(*db);
  made->due_end_ = keys::end_of(keys::kDue);
  made->history_end_ = keys::end_of(keys::kHistory);
  made->due_bound_ = made->due_end_;
  made->history_bound_ = made->history_end_;
  return made;
}

rocksdb::Status CommandDatabase::write(rocksdb::WriteBatch& batch, bool sync) {
  rocksdb::WriteOptions how;
  how.sync = sync;
  return db_->Write(how, &batch);
}

Result<bool> CommandDatabase::get(const std::string& key, rocksdb::PinnableSlice& value,
                                  const rocksdb::Snapshot* at) const {
  rocksdb::ReadOptions options;
  options.snapshot = at;
  const auto status = db_->Get(options, db_->DefaultColumnFamily(), key, &value);
  if (status.IsNotFound()) {
    return false;
  }
  if (!status.ok()) {
    return fail(error_of(status));
  }
  return true;
}

template <class T>
Result<std::optional<T>> CommandDatabase::read(const std::string& key,
                                               std::optional<T> (*decode)(std::string_view),
                                               const rocksdb::Snapshot* at) const {
  rocksdb::PinnableSlice value;
  const auto found = get(key, value, at);
  if (!found) {
    return fail(found.error());
  }
  if (!*found) {
    return std::optional<T>();
  }
  auto decoded = decode(view_of(value));
  if (!decoded) {
    return fail(Errc::storage_corrupt, "an entry of the command log is damaged");
  }
  return decoded;
}

Result<CommandTotals> CommandDatabase::totals() const {
  const auto found = read(std::string(keys::kTotals), decode_totals);
  if (!found || !*found) {
    return fail(found ? Error{Errc::storage_corrupt, "the totals of the command log are missing"}
                      : found.error());
  }
  return **found;
}

Result<std::uint64_t> CommandDatabase::open_of(std::string_view device) const {
  const auto found = read(keys::count(device), decode_count);
  if (!found) {
    return fail(found.error());
  }
  return found->value_or(0);
}

Result<std::optional<StoredKey>> CommandDatabase::key(std::string_view key) const {
  return read(keys::idempotency(key), decode_key);
}

Result<std::optional<StoredCommand>> CommandDatabase::command(std::string_view device,
                                                              const Uuid& id) const {
  auto found = read(keys::command(keys::kCommand, device, id), decode_command);
  if (!found && found.error().code == Errc::storage_corrupt) {
    return fail(damaged(device, id));
  }
  return found;
}

Result<std::optional<StoredProgress>> CommandDatabase::progress(std::string_view device,
                                                                const Uuid& id) const {
  auto found = read(keys::command(keys::kProgress, device, id), decode_progress);
  if (!found && found.error().code == Errc::storage_corrupt) {
    return fail(damaged(device, id));
  }
  return found;
}

Result<std::optional<model::CommandRecord>>
CommandDatabase::record(std::string_view device, const Uuid& id,
                        const rocksdb::Snapshot* at) const {
  auto command = read(keys::command(keys::kCommand, device, id), decode_command, at);
  auto progress = read(keys::command(keys::kProgress, device, id), decode_progress, at);
  for (const Error* error :
       {command ? nullptr : &command.error(), progress ? nullptr : &progress.error()}) {
    if (error != nullptr) {
      return fail(error->code == Errc::storage_corrupt ? damaged(device, id) : *error);
    }
  }
  if (command->has_value() != progress->has_value()) {
    return fail(damaged(device, id));
  }
  if (!*command) {
    return std::optional<model::CommandRecord>();
  }
  model::CommandRecord out;
  out.command = std::move((*command)->command);
  out.command.device = device;
  out.command.id = id;
  out.progress = std::move((*progress)->progress);
  return std::optional(std::move(out));
}

Result<std::optional<model::CommandRecord>> CommandDatabase::find(std::string_view device,
                                                                  const Uuid& id) const {
  rocksdb::ManagedSnapshot snapshot(db_.get());
  return record(device, id, snapshot.snapshot());
}

Result<std::optional<model::CommandRecord>> CommandDatabase::by_alias(std::string_view device,
                                                                      std::uint32_t alias) const {
  const auto none = std::optional<model::CommandRecord>();
  const auto open = open_of(device);
  if (!open || *open == 0) {
    return open ? Result<std::optional<model::CommandRecord>>(none) : fail(open.error());
  }
  const std::string prefix = keys::of_device(keys::kOpen, device);
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
  for (at->Seek(prefix); at->Valid() && at->key().starts_with(prefix); at->Next()) {
    const auto key = keys::parse_open(view_of(at->key()).substr(prefix.size()));
    if (key && model::alias_of(key->id) == alias) {
      return record(device, key->id);
    }
  }
  if (!at->status().ok()) {
    return fail(error_of(at->status()));
  }
  return none;
}

Result<CommandDatabase::OpenPage> CommandDatabase::open_page(const CommandPageLoad& load) const {
  OpenPage page;
  const auto open = open_of(load.device);
  if (!open || *open == 0) {
    return open ? Result<OpenPage>(std::move(page)) : fail(open.error());
  }
  const std::string prefix = keys::of_device(keys::kOpen, load.device);
  std::string from = prefix;
  if (load.after) {
    from = keys::open(load.device, load.after->first, load.after->second);
    from.push_back('\0'); // Behind it.
  }
  std::size_t bytes = 0;
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
  for (at->Seek(from); at->Valid() && at->key().starts_with(prefix); at->Next()) {
    if (page.commands.size() >= load.limit || bytes >= kPageBytesMax) {
      page.more = true;
      break;
    }
    const auto key = keys::parse_open(view_of(at->key()).substr(prefix.size()));
    if (!key) {
      page.damage = "an open command of " + load.device + " can not be read: its key is damaged";
      continue;
    }
    auto found = record(load.device, key->id);
    if (!found && found.error().code != Errc::storage_corrupt) {
      return fail(std::move(found.error()));
    }
    if (!found || !*found) {
      page.damage = damaged(load.device, key->id).detail;
      continue;
    }
    bytes += weight(**found);
    page.commands.push_back(std::move(**found));
  }
  if (!at->status().ok()) {
    return fail(error_of(at->status()));
  }
  return page;
}

Result<CommandPage> CommandDatabase::list(const CommandQuery& query,
                                          const std::function<bool()>& cancelled) const {
  CommandPage page;
  rocksdb::ManagedSnapshot snapshot(db_.get());
  const std::string prefix = keys::of_device(keys::kProgress, query.device);
  std::string end = prefix;
  if (query.before) {
    end.append(query.before->view());
  } else {
    end.back() = '\1'; // Behind all of the device's.
  }
  rocksdb::ReadOptions options;
  options.snapshot = snapshot.snapshot();
  const rocksdb::Slice lower = prefix;
  const rocksdb::Slice upper = end;
  options.iterate_lower_bound = &lower;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options));
  std::size_t looked_at = 0;
  std::size_t bytes = 0;
  for (at->SeekToLast(); at->Valid(); at->Prev()) {
    if (page.commands.size() >= query.limit || looked_at >= kLookedAtMax ||
        bytes >= kListBytesMax) {
      page.more = true;
      break;
    }
    if (++looked_at % 64 == 0 && cancelled()) {
      return fail(Errc::storage_unavailable, "the command log is being closed");
    }
    const auto id = uuid_from_bytes(view_of(at->key()).substr(prefix.size()));
    const auto progress = decode_progress(view_of(at->value()));
    if (!id || !progress) {
      return fail(id ? damaged(query.device, *id)
                     : Error{Errc::storage_corrupt,
                             "a command of " + query.device + " can not be read: damaged key"});
    }
    page.position = *id;
    if (!query.states.empty() && std::find(query.states.begin(), query.states.end(),
                                           progress->progress.state) == query.states.end()) {
      continue;
    }
    auto found = record(query.device, *id, snapshot.snapshot());
    if (!found || !*found) {
      return fail(found ? damaged(query.device, *id) : std::move(found.error()));
    }
    bytes += weight(**found);
    page.commands.push_back(std::move(**found));
  }
  if (!at->status().ok()) {
    return fail(error_of(at->status()));
  }
  return page;
}

std::unique_ptr<rocksdb::Iterator> CommandDatabase::timed(char kind, const std::string& from) {
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = kind == keys::kDue ? &due_bound_ : &history_bound_;
  std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options));
  at->Seek(from);
  return at;
}

} // namespace spate::storage
