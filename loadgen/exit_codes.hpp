// Spate - how spate-loadgen ends.
#pragma once

namespace spate::loadgen {

inline constexpr int kExitOk = 0;
/// Something was lost, refused, missing; or an error of the machine.
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
/// An objective was missed.
inline constexpr int kExitMissed = 3;

/// One of two for both: what failed says more than an objective that was missed.
[[nodiscard]] constexpr int worse(int a, int b) noexcept {
  return a == kExitOk || (a == kExitMissed && b != kExitOk) ? b : a;
}

} // namespace spate::loadgen
