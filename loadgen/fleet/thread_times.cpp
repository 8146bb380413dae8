#include "loadgen/fleet/thread_times.hpp"

#include <cstdio>
#include <ctime>

namespace spate::loadgen {

std::int64_t thread_cpu_ns() noexcept {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return used.tv_sec * std::int64_t{1'000'000'000} + used.tv_nsec;
}

std::int64_t thread_wait_ns() noexcept {
  long long wait_ns = 0;
  if (std::FILE* file = std::fopen("/proc/thread-self/schedstat", "re")) {
    if (std::fscanf(file, "%*d %lld", &wait_ns) != 1) {
      wait_ns = 0;
    }
    std::fclose(file);
  }
  return wait_ns;
}

} // namespace spate::loadgen
