#include "storage/session_thread.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "engine/base/clock.hpp"
#include "engine/base/thread.hpp"
#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

constexpr std::size_t kTurnPageBytesMax = 4u << 20; ///< Of what its receipts hold.
constexpr std::size_t kTimersMax = 256;             ///< Of each kind: a session may be large.
constexpr std::size_t kWillsMax = 1024;
constexpr std::size_t kWillBytesMax = 1u << 20;

} // namespace

void SessionThread::run() {
  name_this_thread("session-store");
  if (starts_closed()) {
    reopen();
  }
  for (;;) {
    const bool stopping = queue_.stopping(); // Asked first: what came before stop() is taken.
    Steps steps = queue_.take(wake_at());
    if (auto error = take_background_error(); error && db_ != nullptr) {
      recover(*error, steps, 0);
      steps.clear();
    }
    if (db_ != nullptr && !answer(steps)) {
      continue;
    }
    if (db_ == nullptr) {
      refuse(steps, 0, stopping_refusal(), false);
    }
    if (stopping) {
      break;
    }
    if (db_ != nullptr && run_timers()) {
      static_cast<void>(tell_wills());
    }
  }
  finish_run();
}

void SessionThread::finish_run() {
  if (db_ != nullptr) {
    sync_last(options_.durability, [this](rocksdb::WriteBatch& batch) {
      rocksdb::WriteOptions how;
      how.sync = true;
      return db_->Write(how, &batch);
    });
  }
  close_database();
  queue_.close([this](const Steps& late) {
    Receipts receipts = refusals(late, 0, stopping_refusal());
    if (!receipts.empty()) {
      listener_.on_receipts(std::move(receipts));
    }
  });
}

ReopeningDatabase::Clock::time_point SessionThread::wake_at() const {
  const bool at_once =
      db_ != nullptr && ((wills_wait_ && may_tell_) || !told_.empty() || !kept_.empty());
  return wake_time(at_once ? 0 : wake_ms_, now_ms_());
}

bool SessionThread::answer(Steps& steps) {
  std::size_t begin = 0;
  do {
    if (begin < steps.size() && steps[begin].late) {
      refuse(steps, begin, stopping_refusal(), false);
      return true;
    }
    if (!answer_turn(steps, begin)) {
      return false;
    }
  } while (begin < steps.size());
  return true;
}

bool SessionThread::answer_turn(Steps& steps, std::size_t& begin) {
  if (steps.empty() && told_.empty() && kept_.empty()) {
    return true;
  }
  SessionGroup group(*db_, options_, totals_, recent_, now_ms_());
  add_pending(group);
  Receipts receipts;
  std::vector<std::int64_t> submitted_ns; ///< Of what is on disk when it is answered.
  std::size_t end = begin;
  std::size_t entries = 0;
  std::size_t bytes = 0;
  while (end < steps.size() && !steps[end].late && entries < kTurnEntriesMax &&
         bytes < kTurnBytesMax && group.page_bytes() < kTurnPageBytesMax && group.failure().ok()) {
    const auto& step = steps[end++];
    bytes += weight_of(step.entry);
    entries += step.entry.entries.size();
    for (std::size_t i = 0; i < step.entry.entries.size(); ++i) {
      const SessionEntry& entry = step.entry.entries[i];
      auto receipt = group.add(step.ticket + i, entry);
      if (is_answered(entry)) {
        receipts.push_back(std::move(receipt));
        if (!is_load(entry)) {
          submitted_ns.push_back(step.submitted_ns);
        }
      }
    }
  }
  if (const auto written = write(group); !written.ok()) {
    recover(written, steps, begin);
    return false;
  }
  told_.clear();
  kept_ = {};
  settle(group);
  if (group.needs_sync()) {
    const std::int64_t now_ns = steady_ns();
    const std::scoped_lock lock(status_mutex_);
    for (const std::int64_t submitted : submitted_ns) {
      stats_.wait_us.record(static_cast<std::uint64_t>(now_ns - submitted) / 1000);
    }
  }
  // Before the receipts, so that whoever hears them may submit as much again.
  queue_.done(end - begin, bytes, end < steps.size() ? steps[end].submitted_ns : 0);
  begin = end;
  if (!group.ended().empty()) {
    listener_.on_ended(std::move(group.ended()));
  }
  if (!receipts.empty()) {
    listener_.on_receipts(std::move(receipts));
  }
  if (!group.deliveries().empty()) {
    listener_.on_queued(std::move(group.deliveries()));
  }
  return true;
}

void SessionThread::add_pending(SessionGroup& group) {
  for (const auto& [sequence, kept] : told_) {
    group.end_will(sequence, kept);
  }
  for (const Kept& kept : kept_) {
    if (const auto* closing = std::get_if<SessionClosing>(&kept)) {
      static_cast<void>(group.add(0, *closing));
    } else if (const auto* settling = std::get_if<SessionSettling>(&kept)) {
      static_cast<void>(group.add(0, *settling));
    } else {
      group.abandon(std::get<std::string>(kept));
    }
  }
}

bool SessionThread::run_timers() {
  const std::int64_t now_ms = now_ms_();
  if (wake_ms_ > now_ms) {
    return true;
  }
  SessionGroup group(*db_, options_, totals_, recent_, now_ms);
  group.run_timers(timers_, kTimersMax);
  Steps none;
  if (const auto written = write(group); !written.ok()) {
    recover(written, none, 0);
    return false;
  }
  settle(group);
  wake_ms_ = group.next_due_ms();
  if (!group.ended().empty()) {
    listener_.on_ended(std::move(group.ended()));
  }
  return true;
}

bool SessionThread::tell_wills() {
  if (!wills_wait_ || !may_tell_) {
    return true;
  }
  SessionGroup group(*db_, options_, totals_, recent_, now_ms_());
  const auto wills = group.outgoing_wills(last_told_, kWillsMax, kWillBytesMax);
  Steps none;
  if (const auto written = write(group); !written.ok()) {
    recover(written, none, 0);
    return false;
  }
  settle(group);
  wills_wait_ = group.has_outgoing();
  if (wills.empty()) {
    return true;
  }
  SessionListener::Wills told;
  for (const auto& will : wills) {
    told.emplace_back(will.session, will.message);
  }
  auto kept = listener_.on_wills(told);
  assert(kept.size() == wills.size());
  for (std::size_t i = 0; i < wills.size(); ++i) {
    told_.emplace_back(wills[i].sequence, std::move(kept[i]));
  }
  last_told_ = wills.back().sequence;
  return true;
}

rocksdb::Status SessionThread::write(SessionGroup& group) {
  group.finish();
  if (!group.failure().ok()) {
    return group.failure();
  }
  const bool sync = group.needs_sync() && options_.durability == Durability::fsync;
  if (!sync && group.batch().Count() == 0) {
    return rocksdb::Status::OK();
  }
  // Durability::memory is treated as os: the write to the kernel costs a hundredth of a sync.
  rocksdb::WriteOptions how;
  how.sync = sync;
  const std::int64_t start = steady_ns();
  auto status = db_->Write(how, &group.batch());
  const auto took_us = static_cast<std::uint64_t>(steady_ns() - start) / 1000;
  const std::scoped_lock lock(status_mutex_);
  ++stats_.groups;
  if (sync && status.ok()) {
    stats_.sync_us.record(took_us);
  }
  return status;
}

void SessionThread::settle(SessionGroup& group) {
  set_totals(group.totals());
  wake_ms_ = std::min(wake_ms_, group.put_due_ms());
  timers_.put(group.put_due_ms());
  wills_wait_ = wills_wait_ || group.has_outgoing();
  {
    const std::scoped_lock lock(status_mutex_);
    stats_.dropped_full += group.dropped_full();
    stats_.dropped_expired += group.dropped_expired();
  }
  for (const std::string& what : group.damage()) {
    if (damage_lines_.allow(steady_ns())) {
      log::error("session-store-damaged", what,
                 {{"data_dir", std::string_view(options_.directory)},
                  {"suppressed", damage_lines_.take_suppressed()}});
    }
  }
}

} // namespace spate::storage
