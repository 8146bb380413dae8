#include "engine/base/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace spate {

namespace {

constexpr unsigned kSubBits = 7; // 128 sub-buckets an octave
constexpr std::uint64_t kSub = std::uint64_t{1} << kSubBits;
static_assert(Histogram::kBuckets == (42 - kSubBits + 1) * kSub);

} // namespace

Histogram::Histogram() : buckets_(kBuckets) {}

std::size_t Histogram::bucket_of(std::uint64_t value) noexcept {
  if (value < kSub) {
    return static_cast<std::size_t>(value); // Exact: the first octaves have a bucket a value.
  }
  const auto octave =
      static_cast<unsigned>(std::bit_width(value)) - kSubBits; // 1 for kSub..2*kSub-1
  return static_cast<std::size_t>(octave * kSub + ((value >> (octave - 1)) & (kSub - 1)));
}

std::uint64_t Histogram::lower_bound(std::size_t bucket) noexcept {
  const std::uint64_t octave = bucket / kSub;
  const std::uint64_t sub = bucket % kSub;
  return octave == 0 ? sub : (kSub + sub) << (octave - 1);
}

std::uint64_t Histogram::upper_bound(std::size_t bucket) noexcept {
  const std::uint64_t octave = bucket / kSub;
  const std::uint64_t sub = bucket % kSub;
  return octave == 0 ? sub : ((kSub + sub + 1) << (octave - 1)) - 1;
}

void Histogram::record(std::uint64_t value, std::uint64_t count) noexcept {
  value = std::min(value, kLargest);
  buckets_[bucket_of(value)] += count;
  count_ += count;
  max_ = std::max(max_, value);
  min_ = std::min(min_, value);
  sum_ += static_cast<double>(value) * static_cast<double>(count);
}

void Histogram::record_bucket(std::size_t bucket, std::uint64_t count) noexcept {
  if (count == 0) {
    return;
  }
  const std::uint64_t low = lower_bound(bucket);
  const std::uint64_t high = upper_bound(bucket);
  buckets_[bucket] += count;
  count_ += count;
  max_ = std::max(max_, high);
  min_ = std::min(min_, low);
  sum_ += static_cast<double>(low + (high - low) / 2) * static_cast<double>(count);
}

void Histogram::refine(std::uint64_t min, std::uint64_t max, double sum) noexcept {
  if (count_ == 0) {
    return;
  }
  if (min <= kLargest && bucket_of(min) == bucket_of(min_)) {
    min_ = min;
  }
  if (max <= kLargest && bucket_of(max) == bucket_of(max_)) {
    max_ = max;
  }
  const auto count = static_cast<double>(count_);
  if (sum >= static_cast<double>(min_) * count && sum <= static_cast<double>(max_) * count) {
    sum_ = sum;
  }
}

void Histogram::merge(const Histogram& other) noexcept {
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    buckets_[i] += other.buckets_[i];
  }
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  min_ = std::min(min_, other.min_);
  sum_ += other.sum_;
}

void Histogram::clear() noexcept {
  *this = Histogram();
}

double Histogram::mean() const noexcept {
  return count_ == 0 ? 0.0 : sum_ / static_cast<double>(count_);
}

std::uint64_t Histogram::quantile(double q) const noexcept {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= wanted && seen > 0) {
      return std::min(upper_bound(i), max_);
    }
  }
  return max_;
}

} // namespace spate
