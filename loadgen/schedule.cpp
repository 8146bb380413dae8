#include "loadgen/schedule.hpp"

#include <cmath>

namespace spate::loadgen {

std::uint64_t Random::next() noexcept {
  state_ += 0x9e3779b97f4a7c15u;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

double Random::unit() noexcept {
  return static_cast<double>((next() >> 11) + 1) * 0x1p-53;
}

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
