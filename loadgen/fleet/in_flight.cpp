#include "loadgen/fleet/in_flight.hpp"

#include <algorithm>
#include <cassert>

namespace spate::loadgen {

InFlight& InFlightTable::add(const Message& message) {
  assert(size_ < kMessagesMax);
  // Never full, or one slow acknowledgement would make the search for a free slot long.
  if (4 * (size_ + 1) > 3 * slots_.size()) {
    grow();
  }
  for (;;) {
    const std::uint16_t id = next_id_;
    next_id_ = id == kIdMax ? std::uint16_t{1} : static_cast<std::uint16_t>(id + 1);
    InFlight& slot = slots_[id & (slots_.size() - 1)];
    if (slot.id == 0) {
      slot = {message, next_order_++, id, false};
      ++size_;
      return slot;
    }
  }
}

void InFlightTable::grow() {
  std::vector<InFlight> larger(std::max<std::size_t>(4, slots_.size() * 2));
  for (const InFlight& entry : slots_) {
    if (entry.id != 0) {
      larger[entry.id & (larger.size() - 1)] = entry;
    }
  }
  slots_ = std::move(larger);
}

std::vector<InFlight*> InFlightTable::in_order() {
  std::vector<InFlight*> entries;
  for (InFlight& entry : slots_) {
    if (entry.id != 0) {
      entries.push_back(&entry);
    }
  }
  std::sort(entries.begin(), entries.end(), [](const InFlight* a, const InFlight* b) {
    return static_cast<std::int32_t>(a->order - b->order) < 0;
  });
  return entries;
}

void InFlightTable::clear() noexcept {
  slots_.clear();
  size_ = 0;
}

} // namespace spate::loadgen
