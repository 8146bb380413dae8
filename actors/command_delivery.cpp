// The device side of CommandRouter: queues, windows, acknowledgements and answers.
#include <algorithm>

#include "actors/command_router_state.hpp"

namespace spate::actors {

namespace {

using model::CommandState;
using storage::CommandReceipt;

CommandState state_of(CommandAnswer::Status status) {
  switch (status) {
  case CommandAnswer::Status::failed:
    return CommandState::failed;
  case CommandAnswer::Status::rejected:
    return CommandState::rejected;
  default:
    return CommandState::succeeded;
  }
}

/// The device itself said how it ended.
bool is_answered(CommandState state) {
  return state >= CommandState::succeeded && state <= CommandState::rejected;
}

} // namespace

// --- Devices come and go.

void CommandRouter::on(const DeviceReady& ready, CommandClock now) {
  now_ = now;
  if (ready.filters.empty() && !ready.numbered) {
    leave(ready.target, ready.device);
    return;
  }
  take_over(devices_[ready.device], ready);
  dispatch(ready.device);
}

void CommandRouter::take_over(DeviceQueue& queue, const DeviceReady& session) {
  counts_.ready.add(queue.target ? 0 : 1);
  queue.ready(session, limits_.in_flight_max);
  // Of the one that comes back after a later one has gone, some may still be in flight.
  queue.in_flight = static_cast<std::size_t>(
      std::count_if(queue.live.begin(), queue.live.end(),
                    [&](const Uuid& id) { return live_.at(id)->handed == session.target; }));
}

void CommandRouter::on(const DeviceGone& gone, CommandClock now) {
  now_ = now;
  for (const std::string& device : gone.devices) {
    leave(gone.target, device);
  }
}

void CommandRouter::leave(const CommandTarget& target, const std::string& device) {
  const auto found = devices_.find(device);
  if (found == devices_.end()) {
    return;
  }
  DeviceQueue& queue = found->second;
  queue.forget_earlier(target);
  if (queue.target == target) {
    const std::optional<DeviceReady> earlier = queue.away();
    counts_.ready.sub();
    if (earlier) {
      take_over(queue, *earlier);
    }
  }
  const auto lives = queue.live; // A copy: dropping changes it.
  for (const Uuid& id : lives) {
    Live& live = *live_.at(id);
    const bool lost = live.handed == target;
    if (lost) {
      live.handed.reset();
    }
    // Another session of the device is here already: what this one did not acknowledge is its.
    if (lost && queue.target && live.phase == Live::Phase::open) {
      queue.waiting.insert(live.place());
    } else {
      drop_if_unused(live);
    }
  }
  dispatch(device);
  forget_device_if_unused(device);
}

// --- What a device is given.

void CommandRouter::enqueue(Live& live) {
  const std::string device = live.record.command.device;
  DeviceQueue& queue = devices_.at(device);
  if (queue.target && queue.may_pass(live.place())) {
    queue.waiting.insert(live.place());
    dispatch(device);
  } else {
    drop_if_unused(live); // It comes out of the log in its turn.
  }
}

void CommandRouter::dispatch(const std::string& device) {
  const auto found = devices_.find(device);
  if (found == devices_.end() || !found->second.target) {
    return;
  }
  DeviceQueue& queue = found->second; // Stays: it has a target.
  while (queue.in_flight < queue.in_flight_max && !queue.waiting.empty()) {
    Live& live = *live_.at(queue.waiting.begin()->second);
    queue.waiting.erase(queue.waiting.begin());
    const model::Command& command = live.record.command;
    if (live.phase != Live::Phase::open || now_.wall_ms >= command.expires_ms ||
        !queue.takes(command)) {
      drop_if_unused(live); // The log tells when it is due; other filters read it again.
      continue;
    }
    live.handed = queue.target;
    ++queue.in_flight;
    port_.deliver(*queue.target, command);
  }
  if (queue.in_flight < queue.in_flight_max && queue.waiting.empty()) {
    read_queue(device, queue);
  }
}

/// The session has it no more.
void CommandRouter::take_back(Live& live) {
  if (!live.handed) {
    return;
  }
  DeviceQueue& queue = devices_.at(live.record.command.device);
  if (queue.target == live.handed && queue.in_flight > 0) {
    --queue.in_flight;
  }
  live.handed.reset();
}

void CommandRouter::read_again(const std::string& device) {
  const auto found = devices_.find(device);
  if (found != devices_.end() && found->second.target) {
    found->second.read_up_to.reset();
    found->second.more = true;
    dispatch(device);
  }
}

void CommandRouter::read_queue(const std::string& device, DeviceQueue& queue) {
  // When memory is short each device has one at a time: none waits for the silent ones.
  if (!queue.more || queue.loading || (crowded(2) && queue.in_flight > 0)) {
    return;
  }
  if (log_->open_commands() == 0 && !log_->fault()) {
    queue.more = false;
    return;
  }
  queue.loading = true;
  to_read_.insert(device);
  start_reads();
}

void CommandRouter::start_reads() {
  while (reads_ < limits_.reads_max && !to_read_.empty()) {
    if (live_bytes_ >= limits_.live_bytes_max) {
      retry_ns_ = now_.steady_ns + limits_.crowded_ms * kNsPerMs;
      return;
    }
    const std::string device = std::move(to_read_.extract(to_read_.begin()).value());
    const auto found = devices_.find(device);
    if (found == devices_.end()) {
      continue;
    }
    if (!found->second.target) {
      found->second.loading = false;
      forget_device_if_unused(device);
      continue;
    }
    const auto after = found->second.read_up_to;
    ++reads_;
    const bool taken =
        submit(storage::CommandPageLoad{device, after, crowded(2) ? 1 : limits_.page},
               [this, device, after](CommandReceipt& receipt) { on_page(device, after, receipt); });
    if (!taken) {
      return; // on_page() has put it back.
    }
  }
}

void CommandRouter::on_page(const std::string& device,
                            const std::optional<DeviceQueue::Place>& after,
                            CommandReceipt& receipt) {
  --reads_;
  const auto found = devices_.find(device);
  if (found == devices_.end()) {
    start_reads();
    return;
  }
  DeviceQueue& queue = found->second;
  if (queue.target && receipt.status != storage::CommandLogStatus::logged) {
    to_read_.insert(device); // Still `loading`: the timer reads it again.
    retry_ns_ = now_.steady_ns + limits_.retry_ms * kNsPerMs;
    return;
  }
  queue.loading = false;
  if (!queue.target) {
    forget_device_if_unused(device);
  } else if (queue.read_up_to == after) { // Else another session came meanwhile.
    queue.more = receipt.more;
    for (model::CommandRecord& record : receipt.page) {
      const DeviceQueue::Place place{record.command.priority, record.command.id};
      queue.read_up_to = place;
      const auto live = live_.find(place.second);
      const model::CommandProgress& progress =
          live == live_.end() ? record.progress : live->second->record.progress;
      const bool waits = progress.state == CommandState::queued ||
                         progress.state == CommandState::sent; // Not acknowledged: once more.
      if (live == live_.end() && waits) {
        add_live(std::move(record));
        queue.waiting.insert(place);
      } else if (waits && live->second->phase == Live::Phase::open && !live->second->handed) {
        queue.waiting.insert(place);
      }
    }
    dispatch(device);
  } else {
    dispatch(device);
  }
  start_reads();
}

// --- What a device says.

void CommandRouter::on(const CommandSent& sent, CommandClock now) {
  now_ = now;
  Live* live = find_live(sent.device, sent.id);
  if (live == nullptr || live->handed != sent.target || live->phase != Live::Phase::open) {
    return;
  }
  model::CommandProgress& progress = live->record.progress;
  if (sent.sent) {
    counts_.sent.add();
    if (progress.state == CommandState::queued) {
      progress.state = CommandState::sent;
      progress.sent_ms = sent.at_ms;
      note(*live);
    }
    // Too late for whoever wanted it back.
    end_waits_of(*live, CommandResult::already_sent, [](const Wait& wait) { return wait.cancels; });
    if (now.wall_ms >= live->record.command.expires_ms) {
      end_by_time(*live);
    }
    return;
  }
  take_back(*live);
  const bool canceled = std::any_of(live->waits.begin(), live->waits.end(),
                                    [](const Wait& wait) { return wait.cancels; });
  if (!sent.why.empty()) {
    finish(*live, CommandState::failed, {}, sent.why);
  } else if (canceled && progress.state == CommandState::queued) {
    finish(*live, CommandState::canceled, {}, {});
  } else if (now.wall_ms >= live->record.command.expires_ms) {
    end_by_time(*live);
  } else {
    enqueue(*live);
  }
}

void CommandRouter::on(const CommandDelivered& delivered, CommandClock now) {
  now_ = now;
  if (Live* live = find_live(delivered.device, delivered.id)) {
    acknowledge(*live, delivered);
    return;
  }
  // Of a session that has unsubscribed meanwhile: it shall not be sent again.
  with_command(delivered.device, delivered.id,
               [this, delivered](Live* live, CommandReceipt& receipt) {
                 if (live == nullptr && receipt.record &&
                     receipt.record->progress.state == CommandState::sent) {
                   live = &add_live(std::move(*receipt.record));
                 }
                 if (live != nullptr) {
                   acknowledge(*live, delivered);
                 }
               });
}

void CommandRouter::acknowledge(Live& live, const CommandDelivered& delivered) {
  if ((live.handed && live.handed != delivered.target) || !live.is_out()) {
    return;
  }
  take_back(live);
  devices_.at(delivered.device).waiting.erase(live.place());
  if (live.phase == Live::Phase::open) {
    model::CommandProgress& progress = live.record.progress;
    progress.delivered_ms = delivered.at_ms;
    if (!delivered.refused.empty()) {
      finish(live, CommandState::rejected, {}, delivered.refused);
    } else if (live.record.command.complete_on == model::CompleteOn::delivery) {
      finish(live, CommandState::succeeded, {}, {});
    } else {
      progress.state = CommandState::delivered;
      note(live);
      drop_if_unused(live);
    }
  }
  dispatch(delivered.device);
}

void CommandRouter::on(const CommandAnswer& answer, CommandClock now) {
  now_ = now;
  const CommandKey key = answer.alias != 0 ? CommandKey(answer.alias) : CommandKey(answer.id);
  with_command(answer.device, key, [this, answer](Live* live, CommandReceipt& receipt) {
    on_answer(live, receipt, answer);
  });
}

void CommandRouter::on_answer(Live* live, CommandReceipt& receipt, const CommandAnswer& answer) {
  using Verdict = SettleAnswer::Verdict;
  if (live == nullptr && !receipt.record) {
    const bool read = receipt.status == storage::CommandLogStatus::logged;
    counts_.answers_unknown.add(read ? 1 : 0);
    settle(answer, read ? Verdict::unknown : Verdict::unavailable);
    return;
  }
  if (live == nullptr) {
    const model::CommandProgress& progress = receipt.record->progress;
    if (is_answered(progress.state)) {
      counts_.answers_repeated.add();
      settle(answer, Verdict::taken);
      return;
    }
    if (model::is_final(progress.state)) {
      refuse_late(receipt.record->command, progress, answer);
      return;
    }
    live = &add_live(std::move(*receipt.record));
  }
  answer_live(*live, answer);
}

void CommandRouter::answer_live(Live& live, const CommandAnswer& answer) {
  CommandAnswer receipt_wanted = answer;
  receipt_wanted.result.clear();
  if (live.phase == Live::Phase::ending) {
    if (is_answered(live.ending.state)) {
      counts_.answers_repeated.add();
      live.answers.push_back(std::move(receipt_wanted)); // Taken once the first one is durable.
    } else {
      refuse_late(live.record.command, live.ending, answer);
    }
    return;
  }
  if (now_.wall_ms >= live.record.command.expires_ms) {
    end_by_time(live);
    refuse_late(live.record.command, live.ending, answer);
    return;
  }
  counts_.answers_taken.add();
  live.answers.push_back(std::move(receipt_wanted));
  finish(live, state_of(answer.status), answer.result, answer.reason);
}

/// Too late to count; the command's reason says that it came.
void CommandRouter::refuse_late(const model::Command& command, model::CommandProgress progress,
                                const CommandAnswer& answer) {
  counts_.answers_late.add();
  progress.reason = "an answer came " +
                    std::to_string(std::max<std::int64_t>(0, now_.wall_ms - command.expires_ms)) +
                    " ms after its time was over and was refused";
  static_cast<void>(
      log_->submit(0, storage::CommandUpdate{command.device, command.id, progress, false}));
  settle(answer, SettleAnswer::Verdict::late);
}

void CommandRouter::settle(const CommandAnswer& answer, SettleAnswer::Verdict verdict) {
  port_.settle(answer.target, {answer.token, verdict});
}

std::string CommandRouter::why_offline(const CommandRequest& request) const {
  const std::string who = "'" + request.device + "' ";
  if (is_ready(request.device)) {
    return who + "is connected, but has not subscribed to its command '" + request.name + "'.";
  }
  if (port_.connected(request.device)) {
    return who + "is connected, but has not subscribed to devices/" + request.device +
           "/commands/# with QoS 1.";
  }
  return who + "is not connected. Send if_offline=queue to deliver it later.";
}

} // namespace spate::actors
