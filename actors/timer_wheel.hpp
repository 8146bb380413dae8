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

  /// Calls `fire(item)` for those that are due, `items_max` at most; it may arm again. True if some
  /// are left.
  template <class Fire>
  bool advance(std::uint64_t now_ms, std::size_t items_max, Fire&& fire) {
    for (;;) {
      for (; fired_ < firing_.size(); --items_max) {
        if (items_max == 0) {
          return true;
        }
        fire(firing_[fired_++]);
      }
      firing_.clear();
      fired_ = 0;
      if (next_slot_ * kSlotMs > now_ms) {
        return false;
      }
      firing_.swap(slots_[next_slot_ % kSlots]);
      ++next_slot_;
    }
  }

private:
  std::array<std::vector<Item>, kSlots> slots_;
  std::vector<Item> firing_; ///< Of the last slot that was reached,
  std::size_t fired_ = 0;    ///< of which these have had their turn.
  std::uint64_t next_slot_;
};

} // namespace spate::actors
