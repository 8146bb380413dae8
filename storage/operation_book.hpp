// Spate - the operations of a data directory: in memory for those who ask, on disk for after a
// restart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <rocksdb/db.h>

#include "engine/base/hash.hpp"
#include "engine/base/result.hpp"
#include "engine/base/uuid.hpp"
#include "storage/operation.hpp"

namespace spate::storage {

/// How long an idempotency key names the operation that it made.
inline constexpr std::int64_t kIdempotencyKeyMs = 24ll * 3600 * 1000;

/// Operations that have not ended, at most: more work is refused.
inline constexpr std::size_t kOperationsOpenMax = 1'000;

/// Keeps operations under 'O' | 16 bytes of the UUID. Those that ended more than kOperationKeptMs
/// ago are not found any more and go at the next put(); of more than kOperationsMax the oldest that
/// have ended go.
///
/// Thread: any. put() waits for the disk, one after the other; the rest is memory only and never
///         waits for a put().
/// Durability: synced when put() returns, and only then seen by the others.
/// Failure: after a failed put() memory is as before and the disk unknown: the owner closes the
///          data directory, as after any failed write.
class OperationBook {
public:
  struct Limits {
    std::size_t operations_max = kOperationsMax;
    std::size_t open_max = kOperationsOpenMax;
  };

  /// Loads what is kept. `db` and `family` are borrowed. Errors: storage_corrupt, storage_io.
  static Result<std::unique_ptr<OperationBook>>
  open(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, Limits limits);
  static Result<std::unique_ptr<OperationBook>> open(rocksdb::DB& db,
                                                     rocksdb::ColumnFamilyHandle* family) {
    return open(db, family, Limits());
  }
  OperationBook(const OperationBook&) = delete;
  OperationBook& operator=(const OperationBook&) = delete;

  /// Queued or running, oldest first: right after open() what a restart has interrupted.
  [[nodiscard]] std::vector<Operation> unfinished() const;

  /// Adds or replaces. Errors: storage_unavailable (too many have not ended), storage_io,
  /// storage_full.
  Result<void> put(const Operation& operation, std::int64_t now_ms);

  /// Whether put() would take another one that has not ended. Error: storage_unavailable.
  [[nodiscard]] Result<void> check_room() const;

  [[nodiscard]] std::optional<Operation> find(const Uuid& id, std::int64_t now_ms) const;
  /// The newest made with this key less than kIdempotencyKeyMs ago. Whether it was the same request
  /// its request_hash tells.
  [[nodiscard]] std::optional<Operation> find_key(std::string_view idempotency_key,
                                                  std::int64_t now_ms) const;
  [[nodiscard]] OperationPage list(const OperationQuery& query, std::int64_t now_ms) const;

private:
  OperationBook(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, Limits limits)
      : db_(db), family_(family), limits_(limits) {}

  [[nodiscard]] Result<void> check_room_locked() const;
  void insert(const Operation& operation);
  void remove(const Uuid& id);
  [[nodiscard]] std::vector<Uuid> outdated(const Operation& added, std::int64_t now_ms) const;

  rocksdb::DB& db_;
  rocksdb::ColumnFamilyHandle* const family_;
  const Limits limits_;
  std::mutex writing_; ///< Taken before mutex_. Held over the write, so that disk and memory agree.
  mutable std::mutex mutex_;
  std::map<Uuid, Operation> operations_; ///< Ids are in the order of their making.
  std::unordered_map<std::string, Uuid, TextHash, std::equal_to<>> by_key_; ///< The newest of each.
  std::size_t open_ = 0;
};

} // namespace spate::storage
