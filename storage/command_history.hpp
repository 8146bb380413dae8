// Spate - which final commands have been kept long enough.
#pragma once

#include <cstdint>
#include <string>

#include <rocksdb/write_batch.h>

#include "storage/command_database.hpp"
#include "storage/command_log.hpp"

namespace spate::storage {

/// Removes the oldest final commands, in small steps: those beyond history_max, and those that
/// ended history_ms ago. An idempotency key goes with the command that it made.
///
/// Thread: the log's. Memory: a position.
class CommandHistory {
public:
  explicit CommandHistory(const CommandLogOptions& options)
      : kept_ms_(options.history_ms), max_(options.history_max) {}

  /// The database was opened.
  void opened();
  /// Written: commands ended.
  void ended(std::int64_t now_ms);

  /// Whether step() may find something.
  [[nodiscard]] bool due(const CommandTotals& totals, std::int64_t now_ms) const noexcept {
    return totals.history > max_ || first_ms_ <= now_ms - kept_ms_;
  }
  /// So many too many that removing can not wait until nothing else does.
  [[nodiscard]] bool overdue(const CommandTotals& totals) const noexcept {
    return totals.history > max_ + max_ / 8 + 1024;
  }
  /// When it is due next by time; INT64_MAX: there is nothing.
  [[nodiscard]] std::int64_t wake_ms() const noexcept {
    return first_ms_ >= INT64_MAX - kept_ms_ ? INT64_MAX : first_ms_ + kept_ms_;
  }

  /// Fills `batch` with the removal of some and takes them off `totals`; to be written, then
  /// stepped(). An empty batch: nothing is due. Errors as CommandDatabase.
  Result<void> step(CommandDatabase& database, std::int64_t now_ms, CommandTotals& totals,
                    rocksdb::WriteBatch& batch);
  void stepped();

private:
  const std::int64_t kept_ms_;
  const std::size_t max_;
  std::string from_;          ///< Keys below it do not exist: they are not looked for again.
  std::int64_t first_ms_ = 0; ///< No key from there on is older.
  std::string from_after_;
  std::int64_t first_ms_after_ = 0;
};

} // namespace spate::storage
