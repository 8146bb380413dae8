// What goes out and what comes back; who is connected is in device_group.cpp.
#include <algorithm>
#include <memory>

#include "loadgen/fleet/device_group.hpp"

namespace spate::loadgen {

namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr int kTakenPerTickMax = 50'000; // Then the loop reads; the rest is due all the same.
constexpr int kUnconfirmedBatch = 32;    // What a device sends in one turn of a flood of QoS 0.
constexpr std::size_t kUnpacedBacklogMax = 256;

} // namespace

void DeviceGroup::begin(std::int64_t start_ns, std::int64_t measure_from_ns, std::int64_t now_ns,
                        std::int64_t wall_ms, std::int64_t end_ns) {
  begun_ = true;
  load_start_ns_ = start_ns;
  end_ns_ = end_ns;
  measure_from_ns_ = measure_from_ns;
  if (!plan_.reconnect) {
    give_up_connecting();
  }
  if (load_ == nullptr) {
    return;
  }
  load_->begin(start_ns);
  for (std::uint32_t i = 0; i < devices_.size(); ++i) {
    serve(i, now_ns, wall_ms);
  }
}

void DeviceGroup::stop(std::int64_t end_ns) {
  measure_to_ns_ = std::min(measure_to_ns_, end_ns);
  if (load_ != nullptr) {
    load_->stop_at(end_ns);
  }
}

void DeviceGroup::tick(std::int64_t now_ns, std::int64_t wall_ms) {
  if (finished_ || connect_start_ns_ == 0) {
    return;
  }
  run_faults(now_ns);
  start_connects(now_ns);
  answer_due(now_ns);
  if (begun_ && load_ != nullptr) {
    for (int taken = 0; taken < kTakenPerTickMax; ++taken) {
      const std::int64_t due_ns = load_->next_ns();
      if (due_ns > now_ns || due_ns >= end_ns_) {
        behind_ = false;
        break;
      }
      // Without a schedule the backlog only has to keep the windows full.
      if (backlog_ >= (due_ns == Load::kAtOnce ? kUnpacedBacklogMax : kBacklogMax)) {
        behind_ = true;
        break;
      }
      if (!behind_ && due_ns != Load::kAtOnce && measured(due_ns)) {
        recent_.lag.record(static_cast<std::uint64_t>(now_ns - due_ns));
      }
      deliver(load_->take(now_ns, wall_ms), now_ns);
    }
  }
  for (std::size_t i = 0; i < backlogged_.size();) {
    const std::uint32_t index = backlogged_[i];
    if (devices_[index].backlog->empty()) {
      devices_[index].listed = false;
      backlogged_[i] = backlogged_.back();
      backlogged_.pop_back();
    } else {
      serve(index, now_ns, wall_ms);
      ++i;
    }
  }
  // At the end of a load of QoS 0 a PINGREQ asks each server side whether it has read everything.
  const bool asking = unconfirmed_ != 0 && load_->ended();
  if (now_ns - keep_alive_ns_ >= (asking ? kSecondNs / 50 : kSecondNs)) {
    keep_alive_ns_ = now_ns;
    keep_alive(now_ns);
  }
}

void DeviceGroup::deliver(const Due& due, std::int64_t now_ns) {
  Device& device = devices_[due.connection];
  if (device.gone) {
    if (cut_for_good(device)) {
      ++recent_.withheld;
    } else {
      ++recent_.unsent;
      recent_.error("not connected");
    }
    load_->payloads().release(due.message);
    return;
  }
  const bool waiting = device.backlog && !device.backlog->empty();
  if (!waiting && !device.faulted && device.session.can_publish() &&
      port_.unsent_bytes(due.connection) < kUnsentBytesMax) {
    send(due.connection, due.message, port_.output(due.connection), now_ns);
    device.last_sent_ns = now_ns;
    port_.sent(due.connection);
    return;
  }
  if (!device.backlog) {
    device.backlog = std::make_unique<std::deque<Message>>();
  }
  if (!device.listed) {
    device.listed = true;
    backlogged_.push_back(due.connection);
  }
  device.backlog->push_back(due.message);
  ++backlog_;
}

void DeviceGroup::send(std::uint32_t index, Message message, std::string& out,
                       std::int64_t now_ns) {
  Device& device = devices_[index];
  message.sent_ns = now_ns;
  if (message.intended_ns == Load::kAtOnce) {
    message.intended_ns = now_ns; // A closed loop has no other time that it was due.
  }
  recent_.sent_bytes += device.session.publish(out, load_->payloads(), message);
  ++moves_;
  ++recent_.sent;
  const bool counts = measured(now_ns);
  recent_.measured_sent += counts ? 1 : 0;
  if (plan_.session.qos != 0) {
    ++in_flight_;
    return;
  }
  if (message.fault != MessageFault::none) { // Read or not, it proves nothing.
    ++recent_.faulty_unanswered;
  } else {
    ++device.unconfirmed;
    ++unconfirmed_;
    device.measured_unconfirmed += counts ? 1 : 0;
  }
  load_->payloads().release(message);
}

void DeviceGroup::pump(std::uint32_t index, std::string& out, std::int64_t now_ns,
                       std::int64_t wall_ms) {
  Device& device = devices_[index];
  if (!begun_ || load_ == nullptr || !device.session.can_publish() ||
      port_.unsent_bytes(index) >= kUnsentBytesMax) {
    return;
  }
  while (device.backlog && !device.backlog->empty() && device.session.can_publish() &&
         out.size() < kUnsentBytesMax) {
    const Message message = device.backlog->front();
    device.backlog->pop_front();
    --backlog_;
    send(index, message, out, now_ns);
  }
  if (plan_.session.qos == 0) {
    return; // A flood of QoS 0 has no answer to wait for: see between().
  }
  Message message;
  while (device.session.can_publish() && out.size() < kUnsentBytesMax &&
         load_->take_for(index, now_ns, wall_ms, message)) {
    send(index, message, out, now_ns);
  }
}

void DeviceGroup::serve(std::uint32_t index, std::int64_t now_ns, std::int64_t wall_ms) {
  Device& device = devices_[index];
  if (device.session.state() != ClientSession::State::online || device.faulted) {
    return;
  }
  std::string& out = port_.output(index);
  const std::size_t before = out.size();
  pump(index, out, now_ns, wall_ms);
  if (out.size() != before) {
    device.last_sent_ns = now_ns;
    port_.sent(index);
  }
}

bool DeviceGroup::between(std::int64_t now_ns, std::int64_t wall_ms) {
  if (!begun_ || finished_ || load_ == nullptr || plan_.session.qos != 0 || load_->ended()) {
    return false;
  }
  bool any = false;
  for (std::uint32_t i = 0; i < devices_.size(); ++i) {
    any |= flood_unconfirmed(i, now_ns, wall_ms);
  }
  return any;
}

bool DeviceGroup::flood_unconfirmed(std::uint32_t index, std::int64_t now_ns,
                                    std::int64_t wall_ms) {
  Device& device = devices_[index];
  if (device.faulted || !device.session.can_publish() || port_.unsent_bytes(index) != 0) {
    return false;
  }
  std::string& out = port_.output(index);
  Message message;
  int sent = 0;
  while (sent < kUnconfirmedBatch && load_->take_for(index, now_ns, wall_ms, message)) {
    send(index, message, out, now_ns);
    ++sent;
  }
  if (sent != 0) {
    device.last_sent_ns = now_ns;
    port_.sent(index);
  }
  return sent != 0;
}

void DeviceGroup::publish(StatsBoard& board) {
  if (!ledger_.empty()) {
    plan_.write_ledger(ledger_.take());
  }
  board.publish(recent_);
}

std::size_t DeviceGroup::on_bytes(std::uint32_t index, std::string_view bytes, std::int64_t now_ns,
                                  std::int64_t wall_ms) {
  Device& device = devices_[index];
  if (device.faulted || finished_) { // What is answered after the end is counted as lost.
    return bytes.size();
  }
  current_ = index;
  now_ns_ = now_ns;
  wall_ms_ = wall_ms;
  if (device.slow_at != kNotSlow) {
    slow_[device.slow_at].allowance -= static_cast<double>(bytes.size());
  }
  std::string& out = port_.output(index);
  const std::size_t before = out.size();
  const bool connecting = device.session.state() == ClientSession::State::connecting;
  const auto used = device.session.receive(bytes, out, *this);
  if (!used) {
    device.faulted = true;
    device.refused = connecting && device.knocks && used.error().code == Errc::connect_failed;
    if (!device.refused) {
      recent_.error((connecting ? "connect: " : "") + used.error().detail);
    }
    port_.abort(index);
    return bytes.size();
  }
  if (device.commands) {
    send_answers(index, now_ns); // Before telemetry.
  }
  pump(index, out, now_ns, wall_ms);
  if (out.size() != before) {
    device.last_sent_ns = now_ns;
    port_.sent(index);
  }
  return *used;
}

void DeviceGroup::on_answered(const Message& message, wire::Reason reason) {
  --in_flight_;
  ++moves_;
  if (message.fault != MessageFault::none) { // However it was answered, it proves nothing.
    ++recent_.faulty_answered;
    load_->payloads().release(message);
    return;
  }
  if (plan_.session.version == wire::Version::v5) {
    ++recent_.reasons[static_cast<std::uint8_t>(reason)];
  }
  if (static_cast<std::uint8_t>(reason) >= 0x80) {
    ++recent_.refused;
    recent_.error("refused: " + std::string(wire::name_of(reason)));
    load_->payloads().release(message);
    return;
  }
  ++recent_.acked;
  recent_.measured_acked += measured(now_ns_) ? 1 : 0;
  if (measured(message.intended_ns)) {
    recent_.latency.record(static_cast<std::uint64_t>(now_ns_ - message.intended_ns));
    recent_.service.record(static_cast<std::uint64_t>(now_ns_ - message.sent_ns));
  }
  if (plan_.write_ledger && message.fault == MessageFault::none) {
    ledger_.add(share_.number(current_, message.member), message.ts,
                load_->payloads().hash(message));
    if (ledger_.full()) {
      plan_.write_ledger(ledger_.take());
    }
  }
  load_->payloads().release(message);
}

void DeviceGroup::on_pong() {
  Device& device = devices_[current_];
  device.pings -= device.pings == 0 ? 0 : 1;
  if (device.pings != 0) {
    return;
  }
  device.ping_sent_ns = 0;
  // TCP keeps the order: what was sent before the PINGREQ has been read.
  recent_.acked += device.before_ping;
  recent_.measured_acked += device.measured_before_ping;
  device.unconfirmed -= device.before_ping;
  device.measured_unconfirmed -= device.measured_before_ping;
  unconfirmed_ -= device.before_ping;
  device.before_ping = device.measured_before_ping = 0;
}

bool DeviceGroup::all_sent() const {
  return load_ == nullptr || !begun_ || (load_->ended() && backlog_ == 0);
}

bool DeviceGroup::drained() const {
  return all_sent() && in_flight_ == 0 && unconfirmed_ == 0 && answers_open_ == 0;
}

} // namespace spate::loadgen
