#include "actors/command_router.hpp"

#include <algorithm>
#include <limits>

#include "actors/command_router_state.hpp"

namespace spate::actors {

namespace {

using model::CommandRecord;
using model::CommandState;
using storage::CommandLogStatus;
using storage::CommandReceipt;

/// A wait that ends this close to the command's own end is told first: whoever waits as long as the
/// command lives hears how far it was, not that it is over.
constexpr std::int64_t kWaitSlackNs = 250 * kNsPerMs;

} // namespace

CommandRouter::CommandRouter(CommandLimits limits, DevicePort& port, std::uint64_t seed)
    : limits_(limits), port_(port), ids_(seed) {}

CommandRouter::~CommandRouter() = default;

void CommandRouter::on_timer(CommandClock now) {
  now_ = now;
  while (!waits_.empty() && waits_.begin()->first <= now_.steady_ns) {
    const auto [id, number] = waits_.begin()->second;
    waits_.erase(waits_.begin());
    end_wait(id, number, CommandResult::wait_over);
  }
  if (retry_ns_ > now_.steady_ns) {
    return;
  }
  start_reads();
  if (!unlogged_ends_.empty()) {
    const std::set<Uuid> again = std::exchange(unlogged_ends_, {});
    for (const Uuid& id : again) {
      if (const auto live = live_.find(id); live != live_.end()) {
        submit_end(*live->second);
      }
    }
  }
}

std::optional<std::int64_t> CommandRouter::timer_ns() const {
  std::optional<std::int64_t> at;
  if (!waits_.empty() && waits_.begin()->first != std::numeric_limits<std::int64_t>::max()) {
    at = waits_.begin()->first;
  }
  if (!unlogged_ends_.empty() || (!to_read_.empty() && reads_ == 0)) {
    at = std::min(at.value_or(retry_ns_), retry_ns_);
  }
  return at;
}

void CommandRouter::end_waits() {
  draining_ = true;
  while (!waits_.empty()) {
    const auto [id, number] = waits_.begin()->second;
    waits_.erase(waits_.begin());
    end_wait(id, number, CommandResult::draining);
  }
}

// --- Commands and their log.

CommandRouter::Live& CommandRouter::add_live(CommandRecord record) {
  const Uuid id = record.command.id;
  devices_[record.command.device].live.insert(id);
  auto& live = live_[id];
  live = std::make_unique<Live>();
  live->record = std::move(record);
  live_bytes_ += live->bytes();
  counts_.live.add();
  return *live;
}

CommandRouter::Live* CommandRouter::find_live(const std::string& device, const CommandKey& key) {
  if (const auto* id = std::get_if<Uuid>(&key)) {
    const auto found = live_.find(*id);
    return found != live_.end() && found->second->record.command.device == device
               ? found->second.get()
               : nullptr;
  }
  const auto queue = devices_.find(device);
  if (queue != devices_.end()) {
    for (const Uuid& id : queue->second.live) {
      if (model::alias_of(id) == std::get<std::uint32_t>(key)) {
        return live_.at(id).get();
      }
    }
  }
  return nullptr;
}

/// Writes a state on the way: nobody waits for it, it rides on the next group.
void CommandRouter::note(const Live& live) {
  const CommandRecord& record = live.record;
  static_cast<void>(log_->submit(
      0, storage::CommandUpdate{record.command.device, record.command.id, record.progress, false}));
}

void CommandRouter::finish(Live& live, CommandState state, std::string result, std::string reason) {
  live.phase = Live::Phase::ending;
  live.ending = live.record.progress;
  live.ending.state = state;
  live.ending.completed_ms = now_.wall_ms;
  live.ending.total_us =
      live.accepted_ns != 0 ? (now_.steady_ns - live.accepted_ns) / 1000 : std::int64_t{-1};
  live.ending.result = std::move(result);
  live.ending.reason = std::move(reason);
  if (live.ending.reason.size() > model::kCommandReasonBytesMax) {
    live.ending.reason.resize(model::kCommandReasonBytesMax);
  }
  // The session that has it, or had it and waits for an answer that it did not get.
  const DeviceQueue& queue = devices_.at(live.record.command.device);
  const std::optional<CommandTarget> session = live.handed ? live.handed : queue.target;
  if (session && live.is_out()) {
    port_.forget(*session, {live.record.command.id, true});
  }
  take_back(live);
  devices_.at(live.record.command.device).waiting.erase(live.place());
  submit_end(live);
  dispatch(live.record.command.device);
}

void CommandRouter::submit_end(Live& live) {
  const Uuid id = live.record.command.id;
  submit(storage::CommandUpdate{live.record.command.device, id, live.ending, true},
         [this, id](CommandReceipt& receipt) { on_ended(id, receipt); });
}

void CommandRouter::on_ended(const Uuid& id, CommandReceipt& receipt) {
  Live& live = *live_.at(id);
  const bool logged = receipt.status == CommandLogStatus::logged;
  for (const CommandAnswer& answer : std::exchange(live.answers, {})) {
    settle(answer, logged ? SettleAnswer::Verdict::taken : SettleAnswer::Verdict::unavailable);
  }
  if (!logged) { // Whoever waits goes on waiting: the log is being reopened.
    retry_ns_ = now_.steady_ns + limits_.retry_ms * kNsPerMs;
    unlogged_ends_.insert(id);
    return;
  }
  live.record.progress = std::move(live.ending);
  const model::CommandProgress& end = live.record.progress;
  counts_.ended[static_cast<std::size_t>(end.state)].add();
  if (end.total_us >= 0 && end.state >= CommandState::succeeded &&
      end.state <= CommandState::rejected) {
    counts_.record_latency(live.record.command.priority, static_cast<std::uint64_t>(end.total_us));
  }
  tell_all(live, {CommandResult::ok, live.record, false, {}});
  drop(live);
}

void CommandRouter::drop_if_unused(Live& live) {
  if (live.phase != Live::Phase::open || !live.waits.empty() || live.handed) {
    return;
  }
  const DeviceQueue& queue = devices_.at(live.record.command.device);
  // Of a device that is here the answer is likely to come soon; it should not cost a read.
  const bool awaits_answer =
      queue.target && live.record.progress.state != CommandState::queued && !crowded(2);
  if (!awaits_answer && !queue.waiting.contains(live.place())) {
    drop(live);
  }
}

void CommandRouter::drop(Live& live) {
  const Uuid id = live.record.command.id;
  const std::string device = live.record.command.device;
  DeviceQueue& queue = devices_.at(device);
  queue.waiting.erase(live.place());
  queue.live.erase(id);
  unlogged_ends_.erase(id);
  live_bytes_ -= live.bytes();
  live_.erase(id);
  counts_.live.sub();
  forget_device_if_unused(device);
}

void CommandRouter::forget_device_if_unused(const std::string& device) {
  if (const auto found = devices_.find(device); found != devices_.end() && found->second.unused()) {
    devices_.erase(found);
  }
}

/// False if the log is full of entries: `then` has heard `unavailable` already.
bool CommandRouter::submit(storage::CommandEntry entry, Continuation then) {
  const std::uint64_t ticket = next_ticket_++;
  if (log_->submit(ticket, std::move(entry))) {
    pending_.emplace(ticket, std::move(then));
    return true;
  }
  CommandReceipt refused;
  refused.ticket = ticket;
  refused.status = CommandLogStatus::unavailable;
  refused.detail = "too many entries wait for the command log";
  then(refused);
  return false;
}

void CommandRouter::on_logged(std::vector<CommandReceipt> receipts, CommandClock now) {
  now_ = now;
  for (CommandReceipt& receipt : receipts) {
    const auto found = pending_.find(receipt.ticket);
    if (found == pending_.end()) {
      continue;
    }
    const Continuation then = std::move(found->second);
    pending_.erase(found);
    then(receipt);
  }
}

void CommandRouter::on_due(const std::vector<CommandRecord>& due, CommandClock now) {
  now_ = now;
  for (const CommandRecord& record : due) {
    const auto found = live_.find(record.command.id);
    if (found == live_.end()) {
      end_by_time(add_live(record));
      continue;
    }
    Live& live = *found->second;
    // One that was just given to a session is told about by CommandSent, in any case.
    const bool undecided = live.handed && live.record.progress.state == CommandState::queued;
    if (live.phase == Live::Phase::open && undecided) {
      port_.forget(*live.handed, {record.command.id, false}); // If it still waits there.
    }
    if (live.phase != Live::Phase::open || undecided) {
      continue;
    }
    end_by_time(live);
  }
}

/// Its time is over: it was sent and may have run, or it never was and never will.
void CommandRouter::end_by_time(Live& live) {
  end_waits_of(live, CommandResult::wait_over, [this](const Wait& wait) {
    return wait.deadline_ns - now_.steady_ns <= kWaitSlackNs;
  });
  finish(live, live.is_out() ? CommandState::timed_out : CommandState::expired, {}, {});
}

bool CommandRouter::is_ready(std::string_view device) const {
  const auto found = devices_.find(device);
  return found != devices_.end() && found->second.target.has_value();
}

} // namespace spate::actors
