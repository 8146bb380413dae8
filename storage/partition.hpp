// Spate - spans of time whose runs are made, merged and dropped together.
#pragma once

#include <cstdint>

namespace spate::storage {

inline constexpr std::int64_t kSecondNs = 1'000'000'000;
inline constexpr std::int64_t kHourNs = 3600 * kSecondNs;
inline constexpr std::int64_t kDayNs = 24 * kHourNs;

/// `to_ns` is exclusive, except that INT64_MAX holds the last time too: what reads, erasures, folds
/// and merges all mean by a span.
struct TimeSpan {
  std::int64_t from_ns = 0;
  std::int64_t to_ns = 0;

  [[nodiscard]] bool overlaps(const TimeSpan& other) const noexcept {
    return meets(other.from_ns, other.last_ns()) && other.meets(from_ns, last_ns());
  }
  /// Of a span that is not empty.
  [[nodiscard]] std::int64_t last_ns() const noexcept {
    return to_ns == INT64_MAX ? INT64_MAX : to_ns - 1;
  }
  /// Whether it has a time of first <= t <= last.
  [[nodiscard]] bool meets(std::int64_t first_time_ns, std::int64_t last_time_ns) const noexcept {
    return from_ns <= last_time_ns && (first_time_ns < to_ns || to_ns == INT64_MAX);
  }
  [[nodiscard]] bool holds(std::int64_t time_ns) const noexcept { return meets(time_ns, time_ns); }
  friend bool operator==(const TimeSpan&, const TimeSpan&) = default;
};

/// Of a retention class that keeps rows for so long; 0: for ever. What is over is on disk for one
/// width at most.
[[nodiscard]] std::int64_t partition_width_ns(std::uint32_t retention_s) noexcept;

/// The partition that holds `time_ns`, cut where times end.
[[nodiscard]] TimeSpan partition_of(std::int64_t time_ns, std::int64_t width_ns) noexcept;

} // namespace spate::storage
