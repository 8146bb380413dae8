#include "loadgen/load/load.hpp"

#include <algorithm>
#include <cassert>

namespace spate::loadgen {

namespace {

std::unique_ptr<Payloads> payloads_of(const PayloadSource& source) {
  if (source.sensors != nullptr) {
    return std::make_unique<SensorPayloads>(*source.sensors);
  }
  return std::make_unique<TemplatePayloads>(*source.templates);
}

} // namespace

GeneratedLoad::GeneratedLoad(GeneratedPlan plan, const DeviceShare& share, PayloadSource source)
    : plan_(std::move(plan)), share_(share), source_(source), good_(payloads_of(source)),
      faulty_(plan_.faults.empty() ? nullptr
                                   : std::make_unique<FaultyPayloads>(*good_, plan_.faults)),
      faults_(plan_.faults, plan_.seed), last_ts_(std::size_t{share.connections} * share.members),
      next_member_(plan_.closed_loop && share.members > 1 ? share.connections : 0),
      curve_(plan_.curve != nullptr ? plan_.curve
                                    // A closed loop asks it nothing.
                                    : std::make_shared<const RateCurve>(RateCurve::constant(1))),
      turns_(share.names->size(), share.members, share.first, share.stride),
      schedule_(schedule_from(0)),
      quota_(plan_.count_max == 0 ? std::numeric_limits<std::uint64_t>::max()
                                  : turns_.before(plan_.count_max)) {
  assert(share.connections > 0);
}

Schedule GeneratedLoad::schedule_from(std::int64_t start_ns) const {
  return Schedule(plan_.arrival, curve_, turns_, start_ns, plan_.seed + share_.first);
}

Payloads& GeneratedLoad::payloads() noexcept {
  return faulty_ != nullptr ? *faulty_ : *good_;
}

void GeneratedLoad::begin(std::int64_t start_ns) {
  begun_ = true;
  start_ns_ = start_ns;
  schedule_ = schedule_from(start_ns);
}

void GeneratedLoad::stop_at(std::int64_t end_ns) {
  end_ns_ = std::min(end_ns_, end_ns);
  stopped_ = true;
}

std::int64_t GeneratedLoad::next_ns() {
  if (plan_.closed_loop || !begun_ || ended()) {
    return kNever;
  }
  return again_ ? again_->message.intended_ns : schedule_.next_ns();
}

bool GeneratedLoad::ended() const {
  if (again_) {
    return false; // It was due with the first.
  }
  if (taken_ >= quota_) {
    return true;
  }
  return plan_.closed_loop
             ? stopped_
             : begun_ && (schedule_.next_ns() == kNever || schedule_.next_ns() >= end_ns_);
}

std::uint64_t GeneratedLoad::left() const {
  if (plan_.closed_loop || !begun_ || ended()) {
    return 0;
  }
  const std::uint64_t again = again_ ? 1 : 0;
  if (end_ns_ == kNever || taken_ >= quota_ || schedule_.next_ns() >= end_ns_) {
    return again;
  }
  return std::min(schedule_.due_before(end_ns_), quota_) - taken_ + again;
}

Message GeneratedLoad::make(std::uint32_t connection, std::uint32_t member,
                            std::int64_t intended_ns, std::int64_t wall_ms) {
  std::int64_t& last = last_ts_[std::size_t{connection} * share_.members + member];
  const std::int64_t step_ms = faults_.ts_step_ms();
  last = std::max(wall_ms - wall_ms % step_ms, last + step_ms);
  ++taken_;
  std::uint32_t text = share_.number(connection, member);
  if (source_.templates != nullptr) {
    text = next_text_;
    next_text_ = text + 1 == source_.templates->size() ? 0 : text + 1;
  }
  return {intended_ns, 0, last, text, member};
}

Due GeneratedLoad::take(std::int64_t, std::int64_t wall_ms) {
  if (again_) {
    const Due due = *again_;
    again_.reset();
    return due;
  }
  const std::int64_t intended_ns = schedule_.next_ns();
  const Turns& turn = schedule_.turn();
  Due due{turn.index(), make(turn.index(), turn.member(), intended_ns, wall_ms)};
  if (!faults_.empty() && faults_.strike(due.message, turn.number(), intended_ns - start_ns_)) {
    again_ = due;
  }
  schedule_.pop();
  return due;
}

bool GeneratedLoad::take_for(std::uint32_t connection, std::int64_t now_ns, std::int64_t wall_ms,
                             Message& message) {
  if (!plan_.closed_loop || !begun_ || ended()) {
    return false;
  }
  std::uint32_t member = 0;
  if (!next_member_.empty()) {
    member = next_member_[connection];
    next_member_[connection] = member + 1 == share_.members_of(connection) ? 0 : member + 1;
  }
  message = make(connection, member, now_ns, wall_ms);
  if (!faults_.empty()) {
    // Which message is which depends on the server here: the thread's count has to do.
    const std::uint64_t number = taken_ * share_.stride + share_.first;
    [[maybe_unused]] const bool twice = faults_.strike(message, number, now_ns - start_ns_);
    assert(!twice);
  }
  return true;
}

} // namespace spate::loadgen
