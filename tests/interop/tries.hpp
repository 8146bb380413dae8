// Spate interop - runs what a client of another project tries, and prints as features.py says.
#pragma once

#include <cstdio>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace spate::interop {

inline constexpr int kShared = 10; ///< Messages to a shared subscription of two members.
inline constexpr int kPatienceMs = 30'000;

inline void expect(bool holds, const std::string& what) {
  if (!holds) {
    throw std::runtime_error(what);
  }
}

/// The exit status.
inline int run(const std::vector<std::pair<const char*, std::function<void()>>>& tries) {
  int failed = 0;
  for (const auto& [feature, attempt] : tries) {
    try {
      attempt();
      std::printf("%s ok\n", feature);
    } catch (const std::exception& error) {
      failed = 1;
      std::printf("%s no: %s\n", feature, error.what());
    }
    std::fflush(stdout);
  }
  return failed;
}

} // namespace spate::interop
