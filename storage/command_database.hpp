// Spate - the open database of the command log: how it is set up, and what can be read from it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "storage/command_codec.hpp"
#include "storage/command_log.hpp"
#include "storage/rocks_options.hpp"

namespace spate::storage {

/// Thread: any for const members, as long as the owner keeps it open; write() the log's only.
/// Errors: storage_corrupt (a value is damaged or what belongs to it is missing), storage_io.
class CommandDatabase {
public:
  using ErrorHandler = std::function<void(const rocksdb::Status&)>;

  /// Replays the write-ahead log and syncs what it held. `create`: also a new one. `on_error` hears
  /// of failures in the background, from RocksDB's threads. Errors: storage_io, storage_full,
  /// storage_corrupt, storage_format; the detail names the directory.
  static Result<std::unique_ptr<CommandDatabase>> open(const std::string& path, rocksdb::Env* env,
                                                       bool create, ErrorHandler on_error);
  CommandDatabase(const CommandDatabase&) = delete;
  CommandDatabase& operator=(const CommandDatabase&) = delete;

  [[nodiscard]] rocksdb::DB& database() const noexcept { return *db_; }
  rocksdb::Status write(rocksdb::WriteBatch& batch, bool sync);

  [[nodiscard]] Result<CommandTotals> totals() const;
  [[nodiscard]] Result<std::uint64_t> open_of(std::string_view device) const;
  [[nodiscard]] Result<std::optional<StoredKey>> key(std::string_view key) const;
  [[nodiscard]] Result<std::optional<StoredCommand>> command(std::string_view device,
                                                             const Uuid& id) const;
  [[nodiscard]] Result<std::optional<StoredProgress>> progress(std::string_view device,
                                                               const Uuid& id) const;
  /// `at`: as the database was then; null: as it is, while nobody writes.
  [[nodiscard]] Result<std::optional<model::CommandRecord>>
  record(std::string_view device, const Uuid& id, const rocksdb::Snapshot* at = nullptr) const;
  /// record() while somebody writes.
  [[nodiscard]] Result<std::optional<model::CommandRecord>> find(std::string_view device,
                                                                 const Uuid& id) const;
  /// Of the device's open commands the one with this alias.
  [[nodiscard]] Result<std::optional<model::CommandRecord>> by_alias(std::string_view device,
                                                                     std::uint32_t alias) const;

  struct OpenPage {
    std::vector<model::CommandRecord> commands;
    bool more = false;
    std::string damage; ///< Why commands were left out: they must not hold up those behind them.
  };
  [[nodiscard]] Result<OpenPage> open_page(const CommandPageLoad& load) const;
  /// `cancelled` is asked now and then: true ends it with storage_unavailable.
  [[nodiscard]] Result<CommandPage> list(const CommandQuery& query,
                                         const std::function<bool()>& cancelled) const;

  /// Keys of `kind` (kDue, kHistory) from `from` on, in their order, as of now.
  [[nodiscard]] std::unique_ptr<rocksdb::Iterator> timed(char kind, const std::string& from);

private:
  CommandDatabase() = default;
  [[nodiscard]] Result<bool> get(const std::string& key, rocksdb::PinnableSlice& value,
                                 const rocksdb::Snapshot* at = nullptr) const;
  template <class T>
  [[nodiscard]] Result<std::optional<T>> read(const std::string& key,
                                              std::optional<T> (*decode)(std::string_view),
                                              const rocksdb::Snapshot* at = nullptr) const;

  std::unique_ptr<rocksdb::DB> db_;
  std::string due_end_;
  std::string history_end_;
  rocksdb::Slice due_bound_; ///< Iterators borrow them.
  rocksdb::Slice history_bound_;
};

/// In words for people and logs, without what the command says.
[[nodiscard]] std::string name_of_command(std::string_view device, const Uuid& id);

} // namespace spate::storage
