// Spate - how far another machine's clocks are from ours.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace spate::loadgen {

/// The wall clock, finer than wall_ms().
inline std::int64_t wall_ns() noexcept {
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Of several questions and answers the quickest one counts: the answer was given between question
/// and arrival, so the offset is known to half of that time.
class ClockOffset {
public:
  /// Our steady clock when we asked and when the answer came, and the other's at its answer; the
  /// wall clocks likewise, ours in the middle.
  void add(std::int64_t asked_ns, std::int64_t came_ns, std::int64_t other_ns, std::int64_t wall,
           std::int64_t other_wall_ns) noexcept {
    const std::int64_t trip_ns = came_ns - asked_ns;
    if (trip_ns < 0 || trip_ns >= trip_ns_) {
      return;
    }
    trip_ns_ = trip_ns;
    steady_offset_ns_ = other_ns - (asked_ns + trip_ns / 2);
    wall_offset_ns_ = other_wall_ns - wall;
  }

  [[nodiscard]] bool known() const noexcept {
    return trip_ns_ != std::numeric_limits<std::int64_t>::max();
  }
  /// To add to our steady time.
  [[nodiscard]] std::int64_t steady_offset_ns() const noexcept { return steady_offset_ns_; }
  /// To add to our wall time.
  [[nodiscard]] std::int64_t wall_offset_ns() const noexcept { return wall_offset_ns_; }
  /// Both are right to this.
  [[nodiscard]] std::int64_t uncertainty_ns() const noexcept { return trip_ns_ / 2 + 1; }

private:
  std::int64_t trip_ns_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t steady_offset_ns_ = 0, wall_offset_ns_ = 0;
};

} // namespace spate::loadgen
