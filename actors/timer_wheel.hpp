// Spate - many coarse timers at a constant cost each: a wheel of one-second slots.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace spate::actors {

/// Fires `Item`s at or up to one slot after their time; never early. An item that is not wanted any
/// more is simply ignored by whoever gets it: nothing is searched or removed. Times are steady
/// milliseconds.
template <class Item>
class TimerWheel {
public:
  static constexpr std::uint64_t kSlotMs = 1000;
  static constexpr std::size_t kSlots = 1024;

  explicit TimerWheel(std::uint64_t now_ms) : next_slot_(now_ms / kSlotMs + 1) {}

  /// Farther times than the wheel's span fire at its end: the receiver looks and arms again.
  void arm(std::uint64_t at_ms, Item item) {
    std::uint64_t slot = at_ms / kSlotMs + 1; // The first whose begin is not before at_ms.
    slot = slot < next_slot_ ? next_slot_ : slot;
    slot = slot >= next_slot_ + kSlots ? next_slot_ + kSlots - 1 : slot;
    slots_[slot % kSlots].push_back(item);
  }

  /// Calls `fire(item)` for all that are due; it may arm again.
  template <class Fire>
  void advance(std::uint64_t now_ms, Fire&& fire) {
    while (next_slot_ * kSlotMs <= now_ms) {
      firing_.swap(slots_[next_slot_ % kSlots]);
      ++next_slot_;
      for (const Item& item : firing_) {
        fire(item);
      }
      firing_.clear();
    }
  }

private:
  std::array<std::vector<Item>, kSlots> slots_;
  std::vector<Item> firing_;
  std::uint64_t next_slot_;
};

} // namespace spate::actors
