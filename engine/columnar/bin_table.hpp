// Spate - what writers and readers of bins agree on.
#pragma once

#include <cstddef>
#include <cstdint>

namespace spate::columnar {

inline constexpr unsigned kTableBitsMin = 5;
inline constexpr unsigned kTableBitsMax = 10;
inline constexpr std::size_t kBinsMax = 256; ///< What a byte can number.

/// Values take turns in so many states, so that reading one does not wait for the one before.
inline constexpr std::size_t kStates = 8;
constexpr std::size_t states_for(std::size_t count) {
  return count < 128 ? 1 : count < 512 ? kStates / 2 : kStates;
}

/// Calls `put(position, bin)` for each entry of the table.
template <class Weight, class Put>
void spread(unsigned table_bits, std::size_t bins, Weight weight, Put put) {
  const std::size_t size = std::size_t{1} << table_bits;
  const std::size_t step = (size >> 1) + (size >> 3) + 3;
  std::size_t position = 0;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    for (std::size_t left = weight(bin); left > 0; --left) {
      put(position, bin);
      position = (position + step) & (size - 1);
    }
  }
}

/// A number is written as its length, then its bits without the highest. Bits of that length, of
/// gaps and of offsets.
inline constexpr unsigned kLengthBits = 3;

} // namespace spate::columnar
