#include "loadgen/load/schedule.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace spate::loadgen {

Schedule::Schedule(Arrival arrival, std::shared_ptr<const RateCurve> curve, const Turns& turns,
                   std::int64_t start_ns, std::uint64_t seed)
    : arrival_(arrival), curve_(std::move(curve)), cursor_(*curve_), turns_(turns),
      start_ns_(start_ns), random_(seed) {
  assert(turns.mine() > 0);
  gap_ = static_cast<double>(turns.devices()) / static_cast<double>(turns.mine());
  position_ = static_cast<double>(turns_.number());
  look();
}

Schedule::Schedule(Arrival arrival, double rate, std::int64_t start_ns, std::uint64_t seed)
    : Schedule(arrival, std::make_shared<const RateCurve>(RateCurve::constant(rate)),
               Turns(1, 1, 0, 1), start_ns, seed) {}

void Schedule::look() noexcept {
  const double number =
      arrival_ == Arrival::fixed ? static_cast<double>(turns_.number()) : position_;
  const double due_ns = cursor_.due_ns(number);
  next_ns_ = due_ns == RateCursor::kNever ? kNever : start_ns_ + std::llround(due_ns);
}

void Schedule::pop() noexcept {
  ++popped_;
  turns_.step();
  if (arrival_ == Arrival::poisson) {
    position_ -= std::log(random_.unit()) * gap_;
  }
  look();
}

std::uint64_t Schedule::due_before(std::int64_t end_ns) const noexcept {
  Schedule copy = *this;
  if (arrival_ == Arrival::fixed && end_ns > next_ns_) {
    // Close from below, then count: rounding can not make it wrong by one.
    const double messages =
        end_ns == kNever ? curve_->messages() : curve_->messages_before(end_ns - start_ns_);
    const double near = std::floor(messages) - 2;
    if (near > 0 && near < 0x1p62) {
      const std::uint64_t mine = turns_.before(static_cast<std::uint64_t>(near));
      if (mine > popped_) {
        copy.popped_ = mine;
        copy.turns_.jump(mine);
        copy.look();
      }
    }
  }
  while (copy.next_ns_ < end_ns) {
    copy.pop();
  }
  return copy.popped_;
}

} // namespace spate::loadgen
