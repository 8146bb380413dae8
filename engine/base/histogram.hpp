// Spate - a high dynamic range histogram: log-linear buckets, fixed relative error, mergeable.
#pragma once

#include <cstdint>
#include <vector>

namespace spate {

/// Counts values from 0 to 2^42 (units are the caller's, usually nanoseconds or microseconds) with
/// a relative error of at most 1/128. The buckets are those of an HdrHistogram with two significant
/// digits, values from 1 and kLargest as its highest, by the same numbers. Not thread-safe: one per
/// thread, merged for reading.
class Histogram {
public:
  static constexpr std::uint64_t kLargest = (std::uint64_t{1} << 42) - 1;
  static constexpr std::size_t kBuckets = 36 * 128;

  Histogram();

  /// Larger values count as the largest one.
  void record(std::uint64_t value, std::uint64_t count = 1) noexcept;
  void merge(const Histogram& other) noexcept;
  void clear() noexcept;

  /// Counts values of which only the bucket is known: they are in the middle of it, and it bounds
  /// min() and max(). `bucket` is below kBuckets.
  void record_bucket(std::size_t bucket, std::uint64_t count) noexcept;
  /// After record_bucket(): what else is known of all values. Bounds outside of the outermost
  /// buckets that hold something, and a sum that these bounds do not allow, are ignored.
  void refine(std::uint64_t min, std::uint64_t max, double sum) noexcept;

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
  [[nodiscard]] std::uint64_t min() const noexcept { return count_ == 0 ? 0 : min_; }
  [[nodiscard]] double mean() const noexcept;
  [[nodiscard]] double sum() const noexcept { return sum_; }
  /// The value that `q` (0..1) of all values do not exceed: the upper end of its bucket, never
  /// above max().
  [[nodiscard]] std::uint64_t quantile(double q) const noexcept;

  /// Calls `visit(upper_bound_inclusive, count)` for each bucket that holds something, in order.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      if (buckets_[i] != 0) {
        visit(upper_bound(i), buckets_[i]);
      }
    }
  }

  /// Counts by bucket, kBuckets of them.
  [[nodiscard]] const std::vector<std::uint64_t>& buckets() const noexcept { return buckets_; }
  [[nodiscard]] static std::size_t bucket_of(std::uint64_t value) noexcept;
  /// The smallest and the largest value of a bucket.
  [[nodiscard]] static std::uint64_t lower_bound(std::size_t bucket) noexcept;
  [[nodiscard]] static std::uint64_t upper_bound(std::size_t bucket) noexcept;

private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
  std::uint64_t min_ = ~std::uint64_t{0};
  double sum_ = 0;
};

} // namespace spate
