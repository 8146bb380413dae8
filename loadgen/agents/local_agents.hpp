// Spate - agents that a coordinator starts itself, on its own machine.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "engine/base/result.hpp"
#include "engine/net/listener.hpp"

namespace spate::loadgen {

/// Processes of this program, each with descriptors of its own. They listen on loopback with a
/// token that nobody else knows, and end with us.
/// Thread: one.
class LocalAgents {
public:
  static constexpr std::uint32_t kAgentsMax = 256;

  /// Starts `count` of them and waits until they listen. Error: connect_failed.
  static Result<std::unique_ptr<LocalAgents>> start(std::uint32_t count);
  /// Ends those that still run.
  ~LocalAgents();
  LocalAgents(const LocalAgents&) = delete;
  LocalAgents& operator=(const LocalAgents&) = delete;

  [[nodiscard]] const std::vector<net::Address>& addresses() const noexcept { return addresses_; }
  [[nodiscard]] const std::string& token() const noexcept { return token_; }

private:
  LocalAgents() = default;
  Result<void> add();
  std::string token_;
  std::vector<net::Address> addresses_;
  std::vector<pid_t> processes_;
};

} // namespace spate::loadgen
