#include "storage/command_history.hpp"

#include <algorithm>

#include "engine/base/log.hpp"
#include "storage/command_keys.hpp"

namespace spate::storage {

namespace keys = command_keys;

namespace {

/// So that a command that comes meanwhile waits for a millisecond at most.
constexpr std::size_t kStepMax = 64;

/// Damage does not keep a command from being removed.
Result<void> remove(const CommandDatabase& database, const keys::Timed& key,
                    rocksdb::WriteBatch& batch) {
  const auto command = database.command(key.device, key.id);
  if (!command && command.error().code != Errc::storage_corrupt) {
    return fail(command.error());
  }
  if (command && *command && !(*command)->idempotency_key.empty()) {
    const std::string& name = (*command)->idempotency_key;
    const auto used = database.key(name);
    if (!used && used.error().code != Errc::storage_corrupt) {
      return fail(used.error());
    }
    if (!used || (*used && (*used)->id == key.id)) { // Else a later command has it.
      batch.Delete(keys::idempotency(name));
    }
  }
  batch.SingleDelete(keys::command(keys::kCommand, key.device, key.id));
  batch.Delete(keys::command(keys::kProgress, key.device, key.id));
  return {};
}

} // namespace

void CommandHistory::opened() {
  from_ = keys::from_time(keys::kHistory, 0);
  first_ms_ = INT64_MIN; // Not known yet.
}

void CommandHistory::ended(std::int64_t now_ms) {
  if (now_ms <= first_ms_) { // There was none, or the clock went back.
    first_ms_ = now_ms;
    from_ = std::min(from_, keys::from_time(keys::kHistory, now_ms));
  }
}

Result<void> CommandHistory::step(CommandDatabase& database, std::int64_t now_ms,
                                  CommandTotals& totals, rocksdb::WriteBatch& batch) {
  from_after_ = keys::end_of(keys::kHistory);
  first_ms_after_ = INT64_MAX;
  std::size_t removed = 0;
  const auto at = database.timed(keys::kHistory, from_);
  for (; at->Valid(); at->Next()) {
    const std::string_view bytes = view_of(at->key());
    const auto key = keys::parse_timed(bytes);
    const bool goes = !key || totals.history > max_ || key->time_ms <= now_ms - kept_ms_;
    if (!goes || removed == kStepMax) {
      from_after_ = bytes;
      first_ms_after_ = key ? key->time_ms : first_ms_;
      break;
    }
    if (!key) {
      log::error("command-log-damaged", "a final command can not be read");
    } else if (auto done = remove(database, *key, batch); !done) {
      return done;
    }
    batch.SingleDelete(at->key());
    totals.history -= std::min<std::uint64_t>(totals.history, 1);
    ++removed;
  }
  if (!at->status().ok()) {
    return fail(error_of(at->status()));
  }
  if (removed != 0) {
    batch.Put(std::string(keys::kTotals), encode_totals(totals));
  } else if (totals.history > max_) {
    totals.history = 0; // There is nothing: a damaged index. It must not be looked at for ever.
    batch.Put(std::string(keys::kTotals), encode_totals(totals));
  }
  return {};
}

void CommandHistory::stepped() {
  from_ = std::move(from_after_);
  first_ms_ = first_ms_after_;
}

} // namespace spate::storage
