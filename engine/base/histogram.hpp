// Spate - a high dynamic range histogram: log-linear buckets, fixed relative error, mergeable.
#pragma once

#include <cstdint>
#include <vector>

namespace spate {

/// Counts values from 0 to 2^42 (units are the caller's, usually nanoseconds or microseconds) with
/// a relative error of at most 1/128 (HdrHistogram's scheme with 7 bits of sub-buckets). Not
/// thread-safe: one per thread, merged for reading.
class Histogram {
public:
  Histogram();

  /// Larger values count as the largest one.
  void record(std::uint64_t value, std::uint64_t count = 1) noexcept;
  void merge(const Histogram& other) noexcept;
  void clear() noexcept;

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
  [[nodiscard]] std::uint64_t min() const noexcept { return count_ == 0 ? 0 : min_; }
  [[nodiscard]] double mean() const noexcept;
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

private:
  static std::size_t bucket_of(std::uint64_t value) noexcept;
  static std::uint64_t upper_bound(std::size_t bucket) noexcept;

  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
  std::uint64_t min_ = ~std::uint64_t{0};
  double sum_ = 0;
};

} // namespace spate
