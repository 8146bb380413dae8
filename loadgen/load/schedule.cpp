#include "loadgen/load/schedule.hpp"

#include <cmath>

namespace spate::loadgen {

Schedule::Schedule(Arrival arrival, double rate, std::int64_t start_ns, std::int64_t phase_ns,
                   std::uint64_t seed)
    : arrival_(arrival), period_ns_(1e9 / rate), origin_ns_(start_ns + phase_ns),
      next_ns_(origin_ns_), random_(seed) {}

void Schedule::pop() noexcept {
  ++popped_;
  if (arrival_ == Arrival::fixed) {
    offset_ns_ = static_cast<double>(popped_) * period_ns_;
  } else {
    offset_ns_ -= std::log(random_.unit()) * period_ns_;
  }
  next_ns_ = origin_ns_ + std::llround(offset_ns_);
}

std::uint64_t Schedule::due_before(std::int64_t end_ns) const noexcept {
  Schedule copy = *this;
  if (arrival_ == Arrival::fixed && end_ns > next_ns_) {
    // Close from below, then count: rounding can not make it wrong by one.
    const double periods = static_cast<double>(end_ns - origin_ns_) / period_ns_;
    const auto near = static_cast<std::uint64_t>(periods);
    if (near > popped_ + 2) {
      copy.popped_ = near - 2;
      copy.pop();
    }
  }
  while (copy.next_ns_ < end_ns) {
    copy.pop();
  }
  return copy.popped_;
}

} // namespace spate::loadgen
