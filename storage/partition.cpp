#include "storage/partition.hpp"

namespace spate::storage {

namespace {
constexpr std::uint32_t kDayS = 24 * 3600;
constexpr std::int64_t kLongDays = 28;
/// Nothing waits for the end of these: what counts is that an hourly record fills whole blocks.
constexpr std::int64_t kForeverDays = 112;
} // namespace

std::int64_t partition_width_ns(std::uint32_t retention_s) noexcept {
  if (retention_s == 0) {
    return kForeverDays * kDayNs;
  }
  if (retention_s > 180 * kDayS) {
    return kLongDays * kDayNs;
  }
  return retention_s <= 2 * kDayS ? kHourNs : kDayNs;
}

TimeSpan partition_of(std::int64_t time_ns, std::int64_t width_ns) noexcept {
  std::int64_t number = time_ns / width_ns;
  if (time_ns < 0 && number * width_ns != time_ns) {
    --number;
  }
  TimeSpan span;
  if (__builtin_mul_overflow(number, width_ns, &span.from_ns)) {
    span.from_ns = INT64_MIN;
  }
  if (__builtin_mul_overflow(number + 1, width_ns, &span.to_ns)) {
    span.to_ns = INT64_MAX;
  }
  return span;
}

} // namespace spate::storage
