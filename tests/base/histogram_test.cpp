#include "engine/base/histogram.hpp"

#include <doctest/doctest.h>

#include <cstdint>

using spate::Histogram;

TEST_CASE("an empty histogram answers with zeros") {
  const Histogram h;
  CHECK(h.count() == 0);
  CHECK(h.min() == 0);
  CHECK(h.max() == 0);
  CHECK(h.mean() == 0);
  CHECK(h.quantile(0.5) == 0);
  CHECK(h.quantile(1) == 0);
}

TEST_CASE("values beyond the range count as the largest") {
  Histogram h;
  h.record(~std::uint64_t{0});
  CHECK(h.count() == 1);
  CHECK(h.max() == (std::uint64_t{1} << 42) - 1);
  CHECK(h.quantile(0.5) == h.max());
}

TEST_CASE("every value is within 1/128 of its bucket's end") {
  for (std::uint64_t value = 0; value < (std::uint64_t{1} << 41); value = value * 5 / 4 + 1) {
    Histogram h;
    h.record(value);
    h.record(std::uint64_t{1} << 41); // So that the quantile is not cut to max().
    const std::uint64_t q = h.quantile(0.5);
    CHECK(q >= value);
    CHECK(q - value <= value / 128);
    CHECK(h.min() == value);
  }
}

TEST_CASE("quantiles are those of the sorted values") {
  Histogram h;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    h.record(i);
  }
  CHECK(h.quantile(0) == 1);
  CHECK(h.quantile(0.01) == 1);
  CHECK(h.quantile(0.5) == 50);
  CHECK(h.quantile(0.99) == 99);
  CHECK(h.quantile(1) == 100);
  CHECK(h.mean() == doctest::Approx(50.5));
}

TEST_CASE("merged histograms are as one that saw all values") {
  Histogram a;
  Histogram b;
  Histogram both;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    (i % 2 == 0 ? a : b).record(i * i, 1 + i % 3);
    both.record(i * i, 1 + i % 3);
  }
  a.merge(b);
  CHECK(a.count() == both.count());
  CHECK(a.max() == both.max());
  CHECK(a.min() == both.min());
  CHECK(a.mean() == doctest::Approx(both.mean()));
  for (const double q : {0.1, 0.5, 0.9, 0.999}) {
    CHECK(a.quantile(q) == both.quantile(q));
  }
  a.merge(Histogram());
  CHECK(a.min() == both.min());
  a.clear();
  CHECK(a.count() == 0);
  CHECK(a.quantile(0.9) == 0);
}

TEST_CASE("the buckets hold all values, in order") {
  Histogram h;
  for (std::uint64_t value : {0u, 1u, 127u, 128u, 129u, 255u, 256u, 257u, 100'000u}) {
    h.record(value);
  }
  std::uint64_t total = 0;
  std::uint64_t last = 0;
  bool ordered = true;
  h.for_each([&](std::uint64_t upper, std::uint64_t count) {
    ordered = ordered && (total == 0 || upper > last);
    last = upper;
    total += count;
  });
  CHECK(ordered);
  CHECK(total == 9);
}

TEST_CASE("a histogram can be made again from its buckets, and refined by what else is known") {
  Histogram h;
  for (std::uint64_t value = 3; value < Histogram::kLargest; value = value * 7 / 4 + 1) {
    h.record(value, value % 5 + 1);
  }
  Histogram again;
  for (std::size_t i = 0; i < Histogram::kBuckets; ++i) {
    CHECK(Histogram::bucket_of(Histogram::lower_bound(i)) == i);
    CHECK(Histogram::bucket_of(Histogram::upper_bound(i)) == i);
    again.record_bucket(i, h.buckets()[i]);
  }
  CHECK(again.buckets() == h.buckets());
  CHECK(again.count() == h.count());
  CHECK(again.max() >= h.max());
  CHECK(again.mean() == doctest::Approx(h.mean()).epsilon(0.01));
  again.refine(0, Histogram::kLargest + 1, -1); // None of it can be true.
  CHECK(again.min() == 3);
  CHECK(again.max() >= h.max());
  again.refine(h.min(), h.max(), h.sum());
  CHECK(again.max() == h.max());
  CHECK(again.mean() == h.mean());
}
