#include "storage/operation_book.hpp"

#include <algorithm>

#include <rocksdb/write_batch.h>

#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

constexpr char kOperation = 'O';

std::string key_of(const Uuid& id) {
  return std::string(1, kOperation).append(id.view());
}

bool outlived(const Operation& operation, std::int64_t now_ms) noexcept {
  return operation.ended() && operation.finished_ms < now_ms - kOperationKeptMs;
}

} // namespace

Result<std::unique_ptr<OperationBook>>
OperationBook::open(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, Limits limits) {
  std::unique_ptr<OperationBook> book(new OperationBook(db, family, limits));
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  const std::unique_ptr<rocksdb::Iterator> at(db.NewIterator(options, family));
  for (at->Seek(rocksdb::Slice(&kOperation, 1)); at->Valid() && at->key()[0] == kOperation;
       at->Next()) {
    auto operation = decode_operation(view_of(at->value()));
    if (!operation) {
      return fail(std::move(operation.error()));
    }
    if (view_of(at->key()) != key_of(operation->id)) {
      return fail(Errc::storage_corrupt, "the record of an operation lies under another's key");
    }
    book->insert(*operation);
  }
  if (!at->status().ok()) {
    return fail(error_of(at->status()));
  }
  return book;
}

std::vector<Operation> OperationBook::unfinished() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Operation> out;
  for (const auto& [id, operation] : operations_) {
    if (!operation.ended()) {
      out.push_back(operation);
    }
  }
  return out;
}

Result<void> OperationBook::check_room() const {
  const std::scoped_lock lock(mutex_);
  return check_room_locked();
}

Result<void> OperationBook::check_room_locked() const {
  if (open_ < limits_.open_max) {
    return {};
  }
  return fail(Errc::storage_unavailable,
              std::to_string(open_) + " operations have not ended yet, which is the limit; try "
                                      "again when some have");
}

Result<void> OperationBook::put(const Operation& operation, std::int64_t now_ms) {
  const std::scoped_lock writing(writing_);
  std::vector<Uuid> removed;
  {
    const std::scoped_lock lock(mutex_);
    if (!operation.ended() && operations_.count(operation.id) == 0) {
      if (auto room = check_room_locked(); !room) {
        return room;
      }
    }
    removed = outdated(operation, now_ms);
  }
  rocksdb::WriteBatch batch;
  std::string bytes;
  encode(operation, bytes);
  batch.Put(family_, key_of(operation.id), bytes);
  for (const Uuid& id : removed) {
    batch.Delete(family_, key_of(id));
  }
  rocksdb::WriteOptions synced;
  synced.sync = true;
  if (const rocksdb::Status status = db_.Write(synced, &batch); !status.ok()) {
    return fail(error_of(status));
  }
  const std::scoped_lock lock(mutex_);
  for (const Uuid& id : removed) {
    remove(id);
  }
  insert(operation);
  return {};
}

std::optional<Operation> OperationBook::find(const Uuid& id, std::int64_t now_ms) const {
  const std::scoped_lock lock(mutex_);
  const auto found = operations_.find(id);
  if (found == operations_.end() || outlived(found->second, now_ms)) {
    return std::nullopt;
  }
  return found->second;
}

std::optional<Operation> OperationBook::find_key(std::string_view idempotency_key,
                                                 std::int64_t now_ms) const {
  const std::scoped_lock lock(mutex_);
  const auto found = by_key_.find(idempotency_key);
  if (found == by_key_.end()) {
    return std::nullopt;
  }
  const Operation& operation = operations_.at(found->second);
  if (operation.created_ms <= now_ms - kIdempotencyKeyMs) {
    return std::nullopt;
  }
  return operation;
}

OperationPage OperationBook::list(const OperationQuery& query, std::int64_t now_ms) const {
  const std::scoped_lock lock(mutex_);
  OperationPage page;
  auto at = std::make_reverse_iterator(query.before ? operations_.lower_bound(*query.before)
                                                    : operations_.end());
  for (; at != operations_.rend(); ++at) {
    const Operation& operation = at->second;
    if (outlived(operation, now_ms) || (query.type && operation.type != *query.type) ||
        (!query.states.empty() && std::find(query.states.begin(), query.states.end(),
                                            operation.state) == query.states.end())) {
      continue;
    }
    if (page.operations.size() == query.limit) {
      page.more = true;
      break;
    }
    page.operations.push_back(operation);
  }
  return page;
}

void OperationBook::insert(const Operation& operation) {
  remove(operation.id);
  open_ += operation.ended() ? 0 : 1;
  if (!operation.idempotency_key.empty()) {
    Uuid& newest = by_key_[operation.idempotency_key];
    newest = std::max(newest, operation.id);
  }
  operations_.emplace(operation.id, operation);
}

void OperationBook::remove(const Uuid& id) {
  const auto found = operations_.find(id);
  if (found == operations_.end()) {
    return;
  }
  open_ -= found->second.ended() ? 0 : 1;
  const auto key = by_key_.find(found->second.idempotency_key);
  if (key != by_key_.end() && key->second == id) {
    by_key_.erase(key);
  }
  operations_.erase(found);
}

/// Those that go when `added` comes: past their time, and beyond the number that is kept.
std::vector<Uuid> OperationBook::outdated(const Operation& added, std::int64_t now_ms) const {
  std::vector<Uuid> out;
  std::size_t left = operations_.size() + (operations_.count(added.id) == 0 ? 1 : 0);
  for (const auto& [id, operation] : operations_) {
    if (id != added.id && operation.ended() &&
        (left > limits_.operations_max || outlived(operation, now_ms))) {
      out.push_back(id);
      --left;
    }
  }
  return out;
}

} // namespace spate::storage
