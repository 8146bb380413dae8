// Spate interop - runs what a client of another project tries, and prints as features.py says.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
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

/// What each client tries.
struct Features {
  void (*will)();
  void (*round_trip)(int qos);
  void (*retained)();
  void (*shared)();
  void (*properties)(); ///< Of 5.0.
};

/// What main() is given: where to connect, as what, and below which topic.
struct Target {
  std::string uri;
  bool v5 = false;
  std::string root;
};
/// From HOST PORT 4|5; nullopt: wrong usage, exit status 2.
inline std::optional<Target> parse_target(int argc, char** argv, const std::string& client) {
  if (argc != 4) {
    return std::nullopt;
  }
  return Target{std::string("tcp://") + argv[1] + ":" + argv[2], std::string_view(argv[3]) == "5",
                "interop/" + client + "/" + argv[3] + "/" + std::to_string(getpid())};
}

/// The exit status.
inline int run(const Features& features, bool v5) {
  std::vector<std::pair<const char*, std::function<void()>>> tries = {
      {"will", features.will}, // First: it forks, and no thread may be there yet.
      {"qos0", [&] { features.round_trip(0); }},
      {"qos1", [&] { features.round_trip(1); }},
      {"qos2", [&] { features.round_trip(2); }},
      {"retained", features.retained},
      {"shared", features.shared}};
  if (v5) {
    tries.emplace_back("properties", features.properties);
  }
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
