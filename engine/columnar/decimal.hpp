// Spate - powers of ten.
#pragma once

#include <array>
#include <cstdint>

namespace spate::columnar {

/// Largest power of ten that an int64 holds.
inline constexpr unsigned kPowerMax = 18;
inline constexpr auto kPowers = [] {
  std::array<std::int64_t, kPowerMax + 1> powers{};
  powers[0] = 1;
  for (unsigned i = 1; i <= kPowerMax; ++i) {
    powers[i] = powers[i - 1] * 10;
  }
  return powers;
}();

} // namespace spate::columnar
