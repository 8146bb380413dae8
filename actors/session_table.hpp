// Spate - finds the sessions of a loop by slot and generation.
#pragma once

#include <cstdint>
#include <vector>

namespace spate::actors {

class DeviceSession;

/// Names a session beyond its life: the generation tells a later tenant of the slot apart.
struct SessionRef {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
};

/// Loop thread only.
class SessionTable {
public:
  [[nodiscard]] SessionRef add(DeviceSession* session) {
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    slots_[slot].session = session;
    return {slot, slots_[slot].generation};
  }

  void remove(SessionRef ref) {
    slots_[ref.slot].session = nullptr;
    ++slots_[ref.slot].generation;
    free_.push_back(ref.slot);
  }

  /// Null if it is gone.
  [[nodiscard]] DeviceSession* find(std::uint32_t slot, std::uint32_t generation) const noexcept {
    return slot < slots_.size() && slots_[slot].generation == generation ? slots_[slot].session
                                                                         : nullptr;
  }

  [[nodiscard]] std::size_t size() const noexcept { return slots_.size() - free_.size(); }

  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t i = 0; i < slots_.size(); ++i) { // By index: `visit` may add sessions.
      if (slots_[i].session != nullptr) {
        visit(*slots_[i].session);
      }
    }
  }

private:
  struct Slot {
    DeviceSession* session = nullptr;
    std::uint32_t generation = 0;
  };
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
};

} // namespace spate::actors
