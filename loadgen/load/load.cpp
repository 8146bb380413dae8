#include "loadgen/load/load.hpp"

#include <algorithm>
#include <cassert>

namespace spate::loadgen {

GeneratedLoad::GeneratedLoad(GeneratedPlan plan, const DeviceShare& share,
                             const std::vector<Template>& templates)
    : plan_(plan), share_(share), payloads_(templates),
      last_ts_(std::size_t{share.connections} * share.members),
      next_member_(share.members > 1 ? share.connections : 0),
      schedule_(plan.arrival, std::max(plan.rate, 1e-9), 0, 0, plan.seed) {
  assert(share.connections > 0 && !templates.empty());
}

void GeneratedLoad::begin(std::int64_t start_ns) {
  begun_ = true;
  schedule_ =
      Schedule(plan_.arrival, std::max(plan_.rate, 1e-9), start_ns, plan_.phase_ns, plan_.seed);
}

void GeneratedLoad::stop_at(std::int64_t end_ns) {
  end_ns_ = std::min(end_ns_, end_ns);
  stopped_ = true;
}

std::int64_t GeneratedLoad::next_ns() {
  if (plan_.closed_loop || !begun_ || ended()) {
    return kNever;
  }
  return schedule_.next_ns();
}

bool GeneratedLoad::ended() const {
  if (plan_.empty || (plan_.count_max != 0 && taken_ >= plan_.count_max)) {
    return true;
  }
  return plan_.closed_loop ? stopped_ : begun_ && schedule_.next_ns() >= end_ns_;
}

std::uint64_t GeneratedLoad::left() const {
  if (plan_.closed_loop || !begun_ || ended()) {
    return 0;
  }
  const std::uint64_t quota =
      plan_.count_max == 0 ? std::numeric_limits<std::uint64_t>::max() : plan_.count_max;
  return end_ns_ == kNever ? 0 : std::min(schedule_.due_before(end_ns_), quota) - taken_;
}

Message GeneratedLoad::make(std::uint32_t connection, std::int64_t intended_ns,
                            std::int64_t wall_ms) {
  std::uint32_t member = 0;
  if (!next_member_.empty()) {
    member = next_member_[connection];
    next_member_[connection] = member + 1 == share_.members_of(connection) ? 0 : member + 1;
  }
  std::int64_t& last = last_ts_[std::size_t{connection} * share_.members + member];
  last = std::max(wall_ms, last + 1);
  ++taken_;
  return {intended_ns, 0, last, payloads_.next(), member};
}

Due GeneratedLoad::take(std::int64_t, std::int64_t wall_ms) {
  const std::uint32_t connection = next_connection_;
  next_connection_ = connection + 1 == share_.connections ? 0 : connection + 1;
  const std::int64_t intended_ns = schedule_.next_ns();
  schedule_.pop();
  return {connection, make(connection, intended_ns, wall_ms)};
}

bool GeneratedLoad::take_for(std::uint32_t connection, std::int64_t now_ns, std::int64_t wall_ms,
                             Message& message) {
  if (!plan_.closed_loop || !begun_ || ended()) {
    return false;
  }
  message = make(connection, now_ns, wall_ms);
  return true;
}

} // namespace spate::loadgen
