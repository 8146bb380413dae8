// What is asked of CommandRouter: create, find, cancel, and who waits for what.
#include <algorithm>
#include <limits>

#include "actors/command_router_state.hpp"

namespace spate::actors {

namespace {

using model::CommandRecord;
using model::CommandState;
using storage::CommandLogStatus;
using storage::CommandReceipt;

CommandResult result_of(CommandLogStatus status) {
  switch (status) {
  case CommandLogStatus::queue_full:
    return CommandResult::queue_full;
  case CommandLogStatus::key_reused:
    return CommandResult::key_reused;
  case CommandLogStatus::disk_full:
    return CommandResult::disk_full;
  default:
    return CommandResult::unavailable;
  }
}

} // namespace

void CommandRouter::create(CommandRequest request, CommandClock now, CommandDone done) {
  now_ = now;
  if (crowded(1)) {
    counts_.refused_overloaded.add();
    done({CommandResult::overloaded, {}, false, {}});
    return;
  }
  const bool keyed = !request.idempotency_key.empty();
  if (keyed && key_is_running(request, done)) {
    return;
  }
  model::Command command;
  command.id = ids_.next(now_.wall_ms);
  command.device = request.device;
  command.name = std::move(request.name);
  command.args = std::move(request.args);
  command.priority = request.priority;
  command.if_offline = request.if_offline;
  command.complete_on = request.complete_on;
  command.created_ms = now_.wall_ms;
  command.expires_ms = now_.wall_ms + request.ttl_ms;

  const auto queue = devices_.find(request.device);
  if (request.if_offline == model::IfOffline::fail &&
      (queue == devices_.end() || !queue->second.takes(command))) {
    request.name = std::move(command.name);
    keyed ? look_up_key(std::move(request), std::move(done))
          : refuse(request, CommandResult::device_offline, done);
    return;
  }

  Live& live = add_live({command, {}});
  live.phase = Live::Phase::creating;
  live.accepted_ns = now_.steady_ns;
  Wait wait = make_wait(std::move(done), request.wait_ms);
  wait.key = request.idempotency_key;
  live.waits.push_back(std::move(wait));
  if (keyed) {
    running_keys_.emplace(request.idempotency_key, request.request_hash);
  }
  storage::CommandCreation creation{command, std::move(request.idempotency_key),
                                    request.request_hash};
  submit(std::move(creation),
         [this, id = command.id](CommandReceipt& receipt) { on_created(id, receipt); });
}

bool CommandRouter::key_is_running(const CommandRequest& request, const CommandDone& done) const {
  const auto running = running_keys_.find(request.idempotency_key);
  if (running == running_keys_.end()) {
    return false;
  }
  done({running->second == request.request_hash ? CommandResult::key_in_progress
                                                : CommandResult::key_reused,
        {},
        false,
        {}});
  return true;
}

/// The device is away, but this may be the repetition of a request that found it.
void CommandRouter::look_up_key(CommandRequest request, CommandDone done) {
  storage::CommandCreation creation;
  creation.command.device = request.device;
  creation.idempotency_key = request.idempotency_key;
  creation.request_hash = request.request_hash;
  creation.key_only = true;
  submit(std::move(creation), [this, request = std::move(request),
                               done = std::move(done)](CommandReceipt& receipt) mutable {
    if (receipt.status == CommandLogStatus::replayed && receipt.record) {
      Wait wait = make_wait(std::move(done), request.wait_ms);
      replay(std::move(*receipt.record), std::move(wait));
    } else if (receipt.status == CommandLogStatus::logged) {
      refuse(request, CommandResult::device_offline, done);
    } else {
      done({result_of(receipt.status), {}, false, std::move(receipt.detail)});
    }
  });
}

void CommandRouter::refuse(CommandRequest& request, CommandResult result, const CommandDone& done) {
  counts_.refused_offline.add();
  done({result, {}, false, why_offline(request)});
}

void CommandRouter::on_created(const Uuid& id, CommandReceipt& receipt) {
  Live& live = *live_.at(id);
  if (receipt.status == CommandLogStatus::logged) {
    counts_.created.add();
    live.phase = Live::Phase::open;
    Wait wait = std::move(live.waits.front());
    live.waits.clear();
    if (wait.deadline_ns == 0) {
      tell(wait, {CommandResult::ok, live.record, false, {}});
    } else {
      wait_for(live, std::move(wait));
    }
    enqueue(live);
    return;
  }
  Wait wait = std::move(live.waits.front());
  live.waits.clear();
  const std::string device = live.record.command.device;
  drop(live);
  if (receipt.status == CommandLogStatus::unavailable) {
    read_again(device); // It may be on disk all the same, and is then to be sent.
  }
  if (receipt.status == CommandLogStatus::replayed && receipt.record) {
    replay(std::move(*receipt.record), std::move(wait));
    return;
  }
  (receipt.status == CommandLogStatus::queue_full ? counts_.refused_queue_full
                                                  : counts_.refused_unavailable)
      .add();
  tell(wait, {result_of(receipt.status), {}, false, std::move(receipt.detail)});
}

/// The key was used for the same request: its command stands for this one.
void CommandRouter::replay(CommandRecord record, Wait wait) {
  counts_.repeated_keys.add();
  wait.replayed = true;
  CommandReceipt receipt;
  const Uuid id = record.command.id;
  const auto live = live_.find(id);
  const std::string device = record.command.device;
  const bool unsent = live == live_.end() && record.progress.state == CommandState::queued;
  receipt.record = std::move(record);
  show(live == live_.end() ? nullptr : live->second.get(), receipt, std::move(wait));
  if (unsent) {
    read_again(device); // Its creation was refused, and yet it was logged.
  }
}

void CommandRouter::find(std::string_view device, const Uuid& id, std::int64_t wait_ms,
                         CommandClock now, CommandDone done) {
  now_ = now;
  Wait wait = make_wait(std::move(done), wait_ms);
  with_command(std::string(device), id,
               [this, wait = std::move(wait)](Live* live, CommandReceipt& receipt) mutable {
                 show(live, receipt, std::move(wait));
               });
}

void CommandRouter::cancel(std::string_view device, const Uuid& id, CommandClock now,
                           CommandDone done) {
  now_ = now;
  Wait wait = make_wait(std::move(done), 0);
  wait.cancels = true;
  with_command(std::string(device), id,
               [this, wait = std::move(wait)](Live* live, CommandReceipt& receipt) mutable {
                 cancel(live, receipt, std::move(wait));
               });
}

/// Calls `then` with the live command, or with what the log has. Both may be without one.
void CommandRouter::with_command(const std::string& device, CommandKey key,
                                 std::function<void(Live*, CommandReceipt&)> then) {
  if (Live* live = find_live(device, key);
      live != nullptr && live->phase != Live::Phase::creating) {
    CommandReceipt none;
    then(live, none);
    return;
  }
  submit(storage::CommandLoad{device, key},
         [this, device, then = std::move(then)](CommandReceipt& receipt) {
           // It may have become live while it was being read; that one knows more.
           Live* live = receipt.record ? find_live(device, receipt.record->command.id) : nullptr;
           then(live, receipt);
         });
}

/// Answers with a command's state, at once or when it is final.
void CommandRouter::show(Live* live, CommandReceipt& receipt, Wait wait) {
  if (live == nullptr && !receipt.record) {
    tell(wait, {receipt.status == CommandLogStatus::logged ? CommandResult::not_found
                                                           : result_of(receipt.status),
                {},
                wait.replayed,
                std::move(receipt.detail)});
    return;
  }
  const CommandRecord& record = live != nullptr ? live->record : *receipt.record;
  if (wait.deadline_ns == 0 || wait.deadline_ns <= now_.steady_ns ||
      model::is_final(record.progress.state)) {
    tell(wait, {CommandResult::ok, record, wait.replayed, {}});
    return;
  }
  Live& waited = live != nullptr ? *live : add_live(std::move(*receipt.record));
  wait_for(waited, std::move(wait));
  drop_if_unused(waited);
}

void CommandRouter::cancel(Live* live, CommandReceipt& receipt, Wait wait) {
  if (live == nullptr && !receipt.record) {
    show(nullptr, receipt, std::move(wait));
    return;
  }
  if (live == nullptr && receipt.record->progress.state == CommandState::queued) {
    live = &add_live(std::move(*receipt.record));
  }
  if (live != nullptr && live->phase == Live::Phase::ending) {
    wait_for(*live, std::move(wait)); // on_ended() tells which it was.
    return;
  }
  if (live != nullptr && live->handed && live->record.progress.state == CommandState::queued) {
    port_.forget(*live->handed, {live->record.command.id, false});
    wait_for(*live, std::move(wait)); // CommandSent tells whether it was in time.
    return;
  }
  if (live != nullptr && !live->is_out()) {
    wait_for(*live, std::move(wait));
    finish(*live, CommandState::canceled, {}, {});
    return;
  }
  const CommandRecord& record = live != nullptr ? live->record : *receipt.record;
  tell(wait, {record.progress.state == CommandState::canceled ? CommandResult::ok
                                                              : CommandResult::already_sent,
              record,
              false,
              {}});
}

// --- Who waits.

CommandRouter::Wait CommandRouter::make_wait(CommandDone done, std::int64_t wait_ms) const {
  Wait wait;
  wait.done = std::move(done);
  wait.deadline_ns = wait_ms > 0 ? now_.steady_ns + wait_ms * kNsPerMs : 0;
  return wait;
}

void CommandRouter::wait_for(Live& live, Wait wait) {
  if (draining_) {
    tell(wait, {CommandResult::draining, live.record, false, {}});
    return; // The caller drops it if it is of no more use.
  }
  wait.number = next_wait_++;
  const std::int64_t deadline_ns =
      wait.deadline_ns != 0 ? wait.deadline_ns : std::numeric_limits<std::int64_t>::max();
  waits_.emplace(deadline_ns, std::pair(live.record.command.id, wait.number));
  wait.deadline_ns = deadline_ns;
  live.waits.push_back(std::move(wait));
}

void CommandRouter::tell(Wait& wait, CommandReply reply) {
  if (!wait.key.empty()) {
    running_keys_.erase(wait.key);
  }
  reply.replayed = wait.replayed;
  wait.done(std::move(reply));
}

/// Everyone who waits for this command. May free nothing: the caller drops it.
void CommandRouter::tell_all(Live& live, const CommandReply& reply) {
  std::vector<Wait> waits;
  waits.swap(live.waits);
  for (Wait& wait : waits) {
    const auto [from, to] = waits_.equal_range(wait.deadline_ns);
    const auto found = std::find_if(
        from, to, [&wait](const auto& entry) { return entry.second.second == wait.number; });
    if (found != to) {
      waits_.erase(found);
    }
    CommandReply mine = reply;
    if (wait.cancels && reply.record && reply.record->progress.state != CommandState::canceled) {
      mine.result = CommandResult::already_sent;
    }
    tell(wait, std::move(mine));
  }
}

/// The wait's time is over; the command lives on.
void CommandRouter::end_wait(const Uuid& id, std::uint64_t number, CommandResult result) {
  const auto found = live_.find(id);
  if (found == live_.end()) {
    return;
  }
  Live& live = *found->second;
  const auto wait = std::find_if(live.waits.begin(), live.waits.end(),
                                 [number](const Wait& w) { return w.number == number; });
  if (wait == live.waits.end()) {
    return;
  }
  Wait over = std::move(*wait);
  live.waits.erase(wait);
  tell(over, {result, live.record, false, {}});
  drop_if_unused(live);
}

} // namespace spate::actors
