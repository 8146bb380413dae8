// Spate - what a thread used, and what it wanted and did not get.
#pragma once

#include <cstdint>

namespace spate::loadgen {

/// CPU time of the calling thread.
[[nodiscard]] std::int64_t thread_cpu_ns() noexcept;
/// How long the calling thread was runnable without a core; 0 where Linux does not tell.
[[nodiscard]] std::int64_t thread_wait_ns() noexcept;

/// Both since start(). Thread: the one that is measured.
class ThreadTimes {
public:
  void start() noexcept {
    cpu_start_ns_ = thread_cpu_ns();
    wait_start_ns_ = thread_wait_ns();
  }
  [[nodiscard]] double cpu_s() const noexcept {
    return static_cast<double>(thread_cpu_ns() - cpu_start_ns_) / 1e9;
  }
  [[nodiscard]] double wait_s() const noexcept {
    return static_cast<double>(thread_wait_ns() - wait_start_ns_) / 1e9;
  }

private:
  std::int64_t cpu_start_ns_ = 0;
  std::int64_t wait_start_ns_ = 0;
};

} // namespace spate::loadgen
