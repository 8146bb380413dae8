// Spate - what one group of entries makes of the command log: decided one by one, written at once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <rocksdb/write_batch.h>

#include "engine/base/hash.hpp"
#include "storage/command_database.hpp"
#include "storage/command_log.hpp"

namespace spate::storage {

/// Flow:   add() ... add() -> finish() -> the caller writes batch() -> it takes over totals().
///         Entries see what those before them in the group did. If the write fails, the database is
///         opened anew, so nothing of the group needs to be undone.
/// Thread: the log's.
class CommandGroup {
public:
  /// Borrowed until the group is gone; what is added too.
  CommandGroup(const CommandDatabase& database, const CommandLogOptions& options,
               const CommandTotals& totals, std::int64_t now_ms)
      : database_(database), options_(options), totals_(totals), now_ms_(now_ms) {}
  CommandGroup(const CommandGroup&) = delete;
  CommandGroup& operator=(const CommandGroup&) = delete;

  struct Outcome {
    CommandLogStatus status = CommandLogStatus::logged;
    std::string detail;
    std::string device; ///< Of `replayed`: whose record to show,
    Uuid id;            ///< and which.
  };
  [[nodiscard]] Outcome add(const CommandCreation& creation);
  [[nodiscard]] Outcome add(const CommandUpdate& update);

  /// Fills the batch.
  void finish();
  [[nodiscard]] rocksdb::WriteBatch& batch() noexcept { return batch_; }
  /// Something in it is answered when it is on disk.
  [[nodiscard]] bool needs_sync() const noexcept { return needs_sync_; }
  [[nodiscard]] const CommandTotals& totals() const noexcept { return totals_; }
  /// Commands that became final.
  [[nodiscard]] const std::vector<Uuid>& ended() const noexcept { return ended_; }
  [[nodiscard]] std::int64_t now_ms() const noexcept { return now_ms_; }
  /// The earliest `expires_ms` of those that were created and are open; INT64_MAX: none.
  [[nodiscard]] std::int64_t first_due_ms() const noexcept { return first_due_ms_; }

private:
  /// A command that the group touches: what is stored, then what will be.
  struct Work {
    std::string device;
    Uuid id;
    bool exists = false;
    bool was_open = false;                     ///< In the database.
    const CommandCreation* creation = nullptr; ///< If the group makes it.
    bool changed = false;
    StoredProgress stored;
  };

  struct Count {
    std::uint64_t stored = 0;
    std::uint64_t now = 0;
  };

  Result<Work*> find(const std::string& device, const Uuid& id);
  Result<Count*> count_of(const std::string& device);
  Result<const StoredKey*> key_of(const std::string& key);
  static Outcome failed(const Error& error);
  void put_work(const Work& work);

  const CommandDatabase& database_;
  const CommandLogOptions& options_;
  CommandTotals totals_;
  const std::int64_t now_ms_;
  rocksdb::WriteBatch batch_;
  bool needs_sync_ = false;
  bool totals_changed_ = false;
  std::unordered_map<std::string, Work, TextHash, std::equal_to<>> works_; ///< By key of progress.
  std::unordered_map<std::string, Count, TextHash, std::equal_to<>> counts_;   ///< By device.
  std::unordered_map<std::string, StoredKey, TextHash, std::equal_to<>> keys_; ///< Made here.
  StoredKey found_key_;
  std::vector<Uuid> ended_;
  std::int64_t first_due_ms_ = INT64_MAX;
};

/// `reason` with another one behind it; as long as a reason may be.
[[nodiscard]] std::string with_reason(std::string_view reason, std::string_view another);

} // namespace spate::storage
