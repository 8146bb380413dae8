#include "storage/command_due.hpp"

#include <algorithm>

#include "engine/base/log.hpp"
#include "storage/command_keys.hpp"

namespace spate::storage {

namespace keys = command_keys;

namespace {

constexpr std::int64_t kRetellMs = 1000;
constexpr std::size_t kPageBytesMax = 1u << 20;

} // namespace

void CommandDue::opened() {
  from_ = keys::from_time(keys::kDue, 0);
  next_ms_ = 0;
  told_.clear();
  first_told_.clear();
  left_behind_ = false;
  retell_ms_ = INT64_MAX;
}

void CommandDue::created(std::int64_t expires_ms) {
  if (expires_ms <= next_ms_) {
    next_ms_ = expires_ms;
    from_ = std::min(from_, keys::from_time(keys::kDue, expires_ms));
  }
}

void CommandDue::ended(const Uuid& id) {
  if (told_.erase(id) != 0 && told_.empty() && !left_behind_) {
    first_told_.clear();
    retell_ms_ = INT64_MAX;
  }
}

void CommandDue::rewind() {
  from_ = std::exchange(first_told_, {});
  next_ms_ = 0;
  left_behind_ = false;
}

std::int64_t CommandDue::wake_ms() const noexcept {
  return std::min(retell_ms_, told_.size() < window_ ? next_ms_ : INT64_MAX);
}

Result<std::vector<model::CommandRecord>> CommandDue::next(CommandDatabase& database,
                                                           std::int64_t now_ms) {
  std::vector<model::CommandRecord> due;
  if (now_ms >= retell_ms_) {
    left_behind_ = left_behind_ || !told_.empty();
    told_.clear();
    retell_ms_ = INT64_MAX;
    if (next_ms_ > now_ms && left_behind_) {
      rewind();
    }
  }
  if (next_ms_ > now_ms || told_.size() >= window_) {
    return due;
  }
  std::size_t bytes = 0;
  std::string after; ///< Where to go on.
  std::int64_t next_ms = INT64_MAX;
  const auto at = database.timed(keys::kDue, from_);
  for (; at->Valid(); at->Next()) {
    const auto key = keys::parse_timed(view_of(at->key()));
    if (!key) {
      log::error("command-log-damaged", "a command that may be due can not be read");
      continue;
    }
    if (key->time_ms > now_ms || told_.size() >= window_ || bytes >= kPageBytesMax) {
      after = at->key().ToString();
      next_ms = key->time_ms;
      break;
    }
    if (told_.count(key->id) != 0) {
      continue;
    }
    auto record = database.record(key->device, key->id);
    if (!record && record.error().code != Errc::storage_corrupt) {
      return fail(std::move(record.error()));
    }
    if (!record || !*record) {
      log::error("command-log-damaged",
                 name_of_command(key->device, key->id) + " is due and can not be read");
      continue;
    }
    bytes += (*record)->command.args.size();
    due.push_back(std::move(**record));
    told_.insert(key->id);
    const std::string_view told = view_of(at->key());
    if (first_told_.empty() || told < first_told_) {
      first_told_ = told;
    }
  }
  if (!at->status().ok()) {
    return fail(error_of(at->status()));
  }
  from_ = after.empty() ? keys::end_of(keys::kDue) : std::move(after);
  next_ms_ = next_ms;
  if (retell_ms_ == INT64_MAX && (!told_.empty() || left_behind_)) {
    retell_ms_ = now_ms + kRetellMs;
  }
  return due;
}

} // namespace spate::storage
