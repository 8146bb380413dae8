// Spate - random numbers that a seed repeats.
#pragma once

#include <cstdint>

namespace spate::loadgen {

/// SplitMix64: small, quick, and the same on every machine, so that a seed repeats a run.
class Random {
public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}
  std::uint64_t next() noexcept;
  /// In (0, 1].
  double unit() noexcept;

private:
  std::uint64_t state_;
};

} // namespace spate::loadgen
