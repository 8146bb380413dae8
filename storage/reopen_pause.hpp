// Spate - how long a data directory that failed stays closed.
#pragma once

#include <algorithm>
#include <chrono>

namespace spate::storage {

/// Doubles from failure to failure. It begins anew only after a healthy minute: a directory that
/// fails as soon as it is open would otherwise replay its log all the time. Committer thread.
class ReopenPause {
public:
  using Clock = std::chrono::steady_clock;

  ReopenPause(Clock::duration shortest, Clock::duration longest) noexcept
      : shortest_(shortest), longest_(longest) {}

  /// The directory works, from `now` on.
  void opened(Clock::time_point now) noexcept { opened_ = now; }
  /// The directory failed while open: how long to wait before the first attempt.
  [[nodiscard]] Clock::duration failed(Clock::time_point now) noexcept {
    if (now - opened_ >= kHealthy) {
      pause_ = Clock::duration::zero();
    }
    return pause_;
  }
  /// An attempt begins: how long to wait after it, should it fail.
  [[nodiscard]] Clock::duration attempt() noexcept {
    pause_ = std::clamp(2 * pause_, shortest_, longest_);
    return pause_;
  }

private:
  static constexpr std::chrono::minutes kHealthy{1};

  const Clock::duration shortest_;
  const Clock::duration longest_;
  Clock::duration pause_{0};
  Clock::time_point opened_{};
};

} // namespace spate::storage
