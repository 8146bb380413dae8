#include "storage/command_group.hpp"

#include <algorithm>

#include "storage/command_keys.hpp"

namespace spate::storage {

namespace keys = command_keys;

std::string with_reason(std::string_view reason, std::string_view another) {
  std::string out(reason);
  if (reason.find(another) != std::string_view::npos) {
    return out;
  }
  out.append(reason.empty() ? "" : "; ").append(another);
  if (out.size() > model::kCommandReasonBytesMax) {
    std::size_t end = model::kCommandReasonBytesMax;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xc0) == 0x80) {
      --end; // Not within a character.
    }
    out.resize(end);
  }
  return out;
}

CommandGroup::Outcome CommandGroup::failed(const Error& error) {
  return {CommandLogStatus::unavailable, error.detail, {}, {}};
}

Result<CommandGroup::Work*> CommandGroup::find(const std::string& device, const Uuid& id) {
  std::string key = keys::command(keys::kProgress, device, id);
  if (const auto found = works_.find(key); found != works_.end()) {
    return &found->second;
  }
  auto stored = database_.progress(device, id);
  if (!stored) {
    return fail(std::move(stored.error()));
  }
  Work work;
  work.device = device;
  work.id = id;
  if (*stored) {
    work.exists = true;
    work.was_open = !model::is_final((*stored)->progress.state);
    work.stored = std::move(**stored);
  }
  return &works_.emplace(std::move(key), std::move(work)).first->second;
}

Result<CommandGroup::Count*> CommandGroup::count_of(const std::string& device) {
  if (const auto found = counts_.find(device); found != counts_.end()) {
    return &found->second;
  }
  const auto stored = database_.open_of(device);
  if (!stored) {
    return fail(stored.error());
  }
  return &counts_.emplace(device, Count{*stored, *stored}).first->second;
}

/// Null if nobody used it, or so long ago that it does not count.
Result<const StoredKey*> CommandGroup::key_of(const std::string& key) {
  if (const auto found = keys_.find(key); found != keys_.end()) {
    return &found->second;
  }
  auto stored = database_.key(key);
  if (!stored) {
    return fail(std::move(stored.error()));
  }
  if (!*stored || (*stored)->created_ms <= now_ms_ - options_.key_ms) {
    return nullptr;
  }
  found_key_ = std::move(**stored);
  return &found_key_;
}

CommandGroup::Outcome CommandGroup::add(const CommandCreation& creation) {
  const model::Command& command = creation.command;
  if (!creation.idempotency_key.empty()) {
    const auto used = key_of(creation.idempotency_key);
    if (!used) {
      return failed(used.error());
    }
    if (*used != nullptr && (*used)->request_hash != creation.request_hash) {
      return {CommandLogStatus::key_reused, {}, {}, {}};
    }
    if (*used != nullptr) {
      const StoredKey key = **used;
      const auto made = find(key.device, key.id);
      if (!made) {
        return failed(made.error());
      }
      if ((*made)->exists) { // Else its command is gone, and so is the key.
        needs_sync_ = true;
        return {CommandLogStatus::replayed, {}, key.device, key.id};
      }
    }
  }
  if (creation.key_only) {
    return {};
  }
  const auto work = find(command.device, command.id);
  const auto count = work ? count_of(command.device) : fail(work.error());
  if (!count) {
    return failed(count.error());
  }
  if ((*work)->exists) { // Submitted again, since what came of it was not known.
    needs_sync_ = true;
    return {CommandLogStatus::replayed, {}, command.device, command.id};
  }
  if ((*count)->now >= options_.open_per_device_max) {
    return {CommandLogStatus::queue_full,
            "the device has as many open commands as it may (" +
                std::to_string(options_.open_per_device_max) + ")",
            {},
            {}};
  }
  if (totals_.open >= options_.open_max) {
    return {CommandLogStatus::queue_full,
            "the node has as many open commands as it may (" + std::to_string(options_.open_max) +
                ")",
            {},
            {}};
  }
  Work& made = **work;
  made.exists = made.changed = true;
  made.creation = &creation;
  made.stored.priority = command.priority;
  made.stored.expires_ms = command.expires_ms;
  ++(*count)->now;
  ++totals_.open;
  needs_sync_ = totals_changed_ = true;
  if (!creation.idempotency_key.empty()) {
    keys_.insert_or_assign(creation.idempotency_key,
                           StoredKey{creation.request_hash, now_ms_, command.id, command.device});
  }
  return {};
}

CommandGroup::Outcome CommandGroup::add(const CommandUpdate& update) {
  const auto found = find(update.device, update.id);
  if (!found) {
    return failed(found.error());
  }
  Work& work = **found;
  needs_sync_ = needs_sync_ || update.sync;
  if (!work.exists) {
    return {};
  }
  model::CommandProgress& progress = work.stored.progress;
  if (model::is_final(progress.state)) {
    std::string reason = with_reason(progress.reason, update.progress.reason);
    work.changed = work.changed || reason != progress.reason;
    progress.reason = std::move(reason);
    return {};
  }
  if (model::is_final(update.progress.state)) {
    const auto count = count_of(update.device);
    if (!count) {
      return failed(count.error());
    }
    (*count)->now -= std::min<std::uint64_t>((*count)->now, 1);
    totals_.open -= std::min<std::uint64_t>(totals_.open, 1);
    ++totals_.history;
    totals_changed_ = true;
    ended_.push_back(work.id);
  }
  const model::CommandProgress before = std::exchange(progress, update.progress);
  if (progress.state == model::CommandState::expired &&
      before.state != model::CommandState::queued) {
    // Whoever says so had not heard that it was sent.
    progress.state = model::CommandState::timed_out;
    progress.sent_ms = before.sent_ms;
    progress.delivered_ms = before.delivered_ms;
  }
  work.changed = true;
  return {};
}

void CommandGroup::finish() {
  for (const auto& [key, work] : works_) {
    if (work.changed) {
      put_work(work);
    }
  }
  for (const auto& [device, count] : counts_) {
    if (count.now == count.stored) {
      continue;
    }
    if (count.now == 0) {
      batch_.Delete(keys::count(device));
    } else {
      batch_.Put(keys::count(device), encode_count(count.now));
    }
  }
  for (const auto& [key, stored] : keys_) {
    batch_.Put(keys::idempotency(key), encode_key(stored));
  }
  if (totals_changed_) {
    batch_.Put(std::string(keys::kTotals), encode_totals(totals_));
  }
}

/// Keys of the indexes are written once and taken back once, so a SingleDelete does: it vanishes
/// with what it deletes instead of being read over by iterators.
void CommandGroup::put_work(const Work& work) {
  const bool is_open = !model::is_final(work.stored.progress.state);
  const auto open = keys::open(work.device, work.stored.priority, work.id);
  const auto due = keys::timed(keys::kDue, work.stored.expires_ms, work.device, work.id);
  if (work.creation != nullptr) {
    batch_.Put(keys::command(keys::kCommand, work.device, work.id),
               encode_command(work.creation->command, work.creation->idempotency_key));
    if (is_open) {
      batch_.Put(open, {});
      batch_.Put(due, {});
      first_due_ms_ = std::min(first_due_ms_, work.stored.expires_ms);
    }
  }
  batch_.Put(keys::command(keys::kProgress, work.device, work.id), encode_progress(work.stored));
  if (!is_open && (work.was_open || work.creation != nullptr)) {
    batch_.Put(keys::timed(keys::kHistory, now_ms_, work.device, work.id), {});
  }
  if (!is_open && work.was_open) {
    batch_.SingleDelete(open);
    batch_.SingleDelete(due);
  }
}

} // namespace spate::storage
