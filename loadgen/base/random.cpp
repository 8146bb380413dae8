#include "loadgen/base/random.hpp"

namespace spate::loadgen {

std::uint64_t Random::next() noexcept {
  state_ += 0x9e3779b97f4a7c15u;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

double Random::unit() noexcept {
  return static_cast<double>((next() >> 11) + 1) * 0x1p-53;
}

} // namespace spate::loadgen
