// Spate - numbers that were floats: 73.80000305175781 is what a device sends that keeps 73.8 in 32
// bits and prints 64. The short one is kept.
#pragma once

#include <array>
#include <cstdint>

#include "engine/model/row.hpp"

namespace spate::columnar {

/// Between the text of a float that was widened to a double and the float's own shortest one. Keeps
/// what it has found, since sensors repeat themselves. One thread.
class WidenedFloats {
public:
  /// All longer texts have at least `decimals` decimals, as some languages print a float.
  explicit WidenedFloats(unsigned decimals) : decimals_(decimals) {}

  /// False if `value` is no such number.
  [[nodiscard]] bool shorten(model::Decimal value, model::Decimal& out);
  /// False if there is no such number.
  [[nodiscard]] bool widen(model::Decimal value, model::Decimal& out);

private:
  struct Known {
    bool used = false;
    model::Decimal from;
    model::Decimal to;
  };
  using Cache = std::array<Known, 256>;
  static Known& place(Cache& cache, std::int64_t mantissa) noexcept {
    return cache[(static_cast<std::uint64_t>(mantissa) * 0x9e3779b97f4a7c15u) >> 56];
  }

  unsigned decimals_;
  Cache shortened_{};
  Cache widened_{};
};

} // namespace spate::columnar
