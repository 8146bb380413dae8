// Spate - time comes in as an argument wherever logic depends on it; these are its sources.
#pragma once

#include <chrono>
#include <cstdint>

namespace spate {

/// Wall clock, milliseconds since 1970 UTC.
[[nodiscard]] inline std::int64_t wall_ms() noexcept {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// Monotonic clock, nanoseconds since an arbitrary start.
[[nodiscard]] inline std::int64_t steady_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

} // namespace spate
