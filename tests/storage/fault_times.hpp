// Spate - how often fault tests try, and with which seed: tests/long/run.py asks for more.
#pragma once

#include <algorithm>
#include <cstdlib>

namespace spate::storage::test {

/// `few`, times SPATE_FAULTS_TIMES.
inline int rounds(int few) {
  const char* const times = std::getenv("SPATE_FAULTS_TIMES");
  return few * (times != nullptr ? std::max(1, std::atoi(times)) : 1);
}
/// SPATE_FAULTS_SEED.
inline unsigned seed_or(unsigned otherwise) {
  const char* const given = std::getenv("SPATE_FAULTS_SEED");
  return given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : otherwise;
}
inline bool is_long_form() {
  return std::getenv("SPATE_FAULTS_TIMES") != nullptr;
}

} // namespace spate::storage::test
