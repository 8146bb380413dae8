#include "loadgen/fleet/device_group.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace spate::loadgen {

namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

/// 50 ms, doubling to 2 s, less up to half of it at random: a fleet does not come back in step.
std::int64_t backoff_ns(std::uint32_t attempts, Random& random) {
  const std::int64_t most = std::int64_t{50'000'000} << std::min(attempts, 6u);
  const auto capped = static_cast<double>(std::min<std::int64_t>(most, 2 * kSecondNs));
  return std::llround(capped * (0.5 + 0.5 * random.unit()));
}

std::string_view missing_answer(const ClientSession& session) noexcept {
  return session.state() == ClientSession::State::online ? "no SUBACK in time"
                                                         : "no CONNACK in time";
}

} // namespace

DeviceGroup::DeviceGroup(GroupPlan plan, const DeviceShare& share, Load* load, Port& port)
    : plan_(std::move(plan)), share_(share), load_(load), port_(port), ledger_(plan_.ledger_cohort),
      random_(plan_.seed), fault_states_(plan_.faults.size()) {
  devices_.reserve(share.connections);
  for (std::uint32_t i = 0; i < share.connections; ++i) {
    devices_.emplace_back(plan_.session, share_, i);
  }
}

void DeviceGroup::start_connecting(std::int64_t now_ns) {
  connect_start_ns_ = now_ns;
  keep_alive_ns_ = now_ns;
  start_connects(now_ns);
}

void DeviceGroup::start_connects(std::int64_t now_ns) {
  std::size_t allowed = devices_.size();
  if (plan_.connects_per_s > 0) {
    const double elapsed_s = static_cast<double>(now_ns - connect_start_ns_) / 1e9;
    allowed = std::min(allowed, static_cast<std::size_t>(elapsed_s * plan_.connects_per_s) + 1);
  }
  while (next_connect_ < allowed && connecting_ < plan_.connecting_max) {
    connect(static_cast<std::uint32_t>(next_connect_++), now_ns);
  }
  while (!retries_.empty() && retries_.top().due_ns <= now_ns &&
         connecting_ < plan_.connecting_max) {
    const std::uint32_t index = retries_.top().device;
    retries_.pop();
    connect(index, now_ns);
  }
}

void DeviceGroup::connect(std::uint32_t index, std::int64_t now_ns) {
  Device& device = devices_[index];
  device.connecting_since_ns = now_ns;
  device.faulted = device.knocks = device.refused = false;
  ++connecting_;
  if (auto started = port_.connect(index); !started) {
    --connecting_;
    ++recent_.connect_failures;
    recent_.error("connect: " + started.error().detail);
    failed(index, now_ns);
    return;
  }
  device.open = true;
  ++open_;
}

void DeviceGroup::failed(std::uint32_t index, std::int64_t now_ns) {
  Device& device = devices_[index];
  subscribed_ -= device.session.subscribed() ? 1 : 0;
  device.session.lost();
  if (device.slow_at != kNotSlow) {
    slow_[device.slow_at].paused = false; // The next connection is not.
  }
  if (device.cut) {
    recent_.cut_unknown += device.unconfirmed;
  } else if (device.unconfirmed != 0) { // QoS 0: may have arrived, nobody can know.
    recent_.lost += device.unconfirmed;
    recent_.error("lost with its connection", device.unconfirmed);
  }
  forget_unconfirmed(device);
  if (plan_.reconnect && !finished_ && !cut_for_good(device)) {
    // A cut device knows when it comes back.
    const std::int64_t back_ns = std::exchange(device.cut, false)
                                     ? device.back_ns
                                     : now_ns + backoff_ns(device.attempts++, random_);
    retries_.push({back_ns, index});
  } else {
    give_up(device);
  }
}

void DeviceGroup::settle(Device& device) {
  settled_ += device.settled ? 0 : 1;
  device.settled = true;
}

void DeviceGroup::give_up(Device& device) {
  gone_ += device.gone ? 0 : 1;
  device.gone = true;
  settle(device);
  abandon_answers(device);
  std::uint64_t lost = 0;
  device.session.abandon([&](const Message& message) { count_unanswered(device, message, lost); });
  recent_.lost += lost;
  if (lost != 0) {
    recent_.error(finished_ ? "not answered until the end" : "lost with its connection", lost);
  }
  if (device.backlog && !device.backlog->empty()) {
    for (const Message& message : *device.backlog) {
      load_->payloads().release(message);
    }
    if (cut_for_good(device)) {
      recent_.withheld += device.backlog->size();
    } else {
      recent_.unsent += device.backlog->size();
      recent_.error("not sent in time", device.backlog->size());
    }
    backlog_ -= device.backlog->size();
    device.backlog->clear();
  }
}

void DeviceGroup::count_unanswered(const Device& device, const Message& message,
                                   std::uint64_t& lost) {
  --in_flight_;
  ++(message.fault != MessageFault::none ? recent_.faulty_unanswered
     : cut_for_good(device)              ? recent_.cut_unknown
                                         : lost);
  load_->payloads().release(message);
}

void DeviceGroup::forget_unconfirmed(Device& device) {
  unconfirmed_ -= device.unconfirmed;
  device.unconfirmed = device.measured_unconfirmed = 0;
  device.before_ping = device.measured_before_ping = 0;
  device.ping_sent_ns = 0;
  device.pings = 0;
}

void DeviceGroup::give_up_connecting() {
  for (; next_connect_ < devices_.size(); ++next_connect_) {
    recent_.error("connect: no turn in time");
    give_up(devices_[next_connect_]);
  }
  for (std::uint32_t i = 0; i < devices_.size(); ++i) {
    Device& device = devices_[i];
    if (device.open && !device.faulted && !is_ready(device)) {
      device.faulted = true;
      recent_.error(missing_answer(device.session));
      port_.abort(i);
    }
  }
}

void DeviceGroup::keep_alive(std::int64_t now_ns) {
  port_.unpark(now_ns);
  const std::int64_t alive_ns = plan_.session.keep_alive_s * kSecondNs;
  for (std::uint32_t i = 0; i < devices_.size(); ++i) {
    Device& device = devices_[i];
    if (!device.open || device.faulted) {
      continue;
    }
    std::string_view fault;
    if (!is_ready(device)) {
      if (now_ns - device.connecting_since_ns > plan_.connect_timeout_ns) {
        fault = missing_answer(device.session);
      }
    } else if (device.ping_sent_ns != 0 && device.slow_at == kNotSlow) { // Or we do not read it.
      const std::int64_t patience_ns = std::max(alive_ns, 30 * kSecondNs);
      fault = now_ns - device.ping_sent_ns > patience_ns ? "no PINGRESP in time" : "";
    } else if (alive_ns != 0 && now_ns - device.last_sent_ns > alive_ns * 3 / 4) {
      ping(i, now_ns);
    } else if (device.ping_sent_ns == 0 && device.unconfirmed != 0 && backlog_ == 0 &&
               load_->ended()) {
      ping(i, now_ns);
    }
    if (!fault.empty()) {
      device.faulted = true;
      recent_.error(fault);
      port_.abort(i);
    }
  }
}

void DeviceGroup::ping(std::uint32_t index, std::int64_t now_ns) {
  Device& device = devices_[index];
  device.session.ping(port_.output(index));
  device.last_sent_ns = now_ns;
  if (device.pings++ == 0) { // Answers come in order: all of them prove what the first asked.
    device.ping_sent_ns = now_ns;
    device.before_ping = device.unconfirmed;
    device.measured_before_ping = device.measured_unconfirmed;
  }
  port_.sent(index);
}

void DeviceGroup::finish(std::int64_t) {
  finished_ = true;
  if (load_ != nullptr && load_->left() != 0) {
    recent_.unsent += load_->left();
    recent_.error("not sent in time", load_->left());
  }
  for (std::uint32_t i = 0; i < devices_.size(); ++i) {
    Device& device = devices_[i];
    give_up(device);
    recent_.lost += device.unconfirmed;
    if (device.unconfirmed != 0) {
      recent_.error("not answered until the end", device.unconfirmed);
    }
    forget_unconfirmed(device);
    if (device.session.state() == ClientSession::State::online) {
      device.session.disconnect(port_.output(i));
      port_.sent(i);
    }
    if (device.open) {
      port_.close(i);
    }
  }
}

void DeviceGroup::on_open(std::uint32_t index) {
  Device& device = devices_[index];
  device.knocks = device.expired;
  device.session.connect(port_.output(index), device.knocks);
  port_.sent(index);
}

void DeviceGroup::on_online(bool session_present) {
  Device& device = devices_[current_];
  --connecting_;
  ++online_;
  ++recent_.connects;
  recent_.connect.record(static_cast<std::uint64_t>(now_ns_ - device.connecting_since_ns));
  if (!plan_.session.subscribes()) {
    settle(device);
  }
  seen_ += device.seen ? 0 : 1;
  device.seen = true;
  device.attempts = 0;
  device.last_sent_ns = now_ns_;
  device.ping_sent_ns = 0;
  if (device.session.in_flight() != 0) {
    // A server that closes on what is wrong would be sent it for ever, and the rest never.
    std::uint64_t lost = 0;
    device.session.remove_if(
        [session_present](const InFlight& entry) {
          return entry.message.fault != MessageFault::none && !(entry.received && session_present);
        },
        [&](const Message& message) { count_unanswered(device, message, lost); });
    recent_.resent +=
        device.session.resend(port_.output(current_), load_->payloads(), session_present);
  }
  if (device.commands) { // They go out at the end of this event.
    recent_.answers_resent += device.commands->resend(session_present);
  }
}

void DeviceGroup::on_closed(std::uint32_t index, std::string_view reason, std::int64_t now_ns) {
  Device& device = devices_[index];
  device.open = false;
  --open_;
  const bool was_online = device.session.state() == ClientSession::State::online;
  if (was_online) {
    --online_;
  } else {
    --connecting_;
  }
  if (finished_) {
    subscribed_ -= device.session.subscribed() ? 1 : 0;
    device.session.lost();
    return;
  }
  // Some servers say no by closing.
  const bool refused = device.refused || (device.knocks && !device.faulted && !was_online);
  ++(device.cut   ? recent_.connections_cut
     : was_online ? recent_.connections_lost
     : refused    ? recent_.refused_expired
                  : recent_.connect_failures);
  if (!device.faulted && !refused) {
    recent_.error((was_online ? "connection lost: " : "connect: ") + std::string(reason));
  }
  failed(index, now_ns);
}

} // namespace spate::loadgen
