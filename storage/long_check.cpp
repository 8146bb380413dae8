// The operation that checks a data directory: see store_check.
#include <chrono>
#include <memory>
#include <utility>

#include <time.h>

#include "engine/base/clock.hpp"
#include "storage/cpu_pace.hpp"
#include "storage/long_work.hpp"
#include "storage/store_check.hpp"

namespace spate::storage {

namespace {

constexpr std::int64_t kTellEveryMs = 1000;

std::int64_t thread_cpu_ns() noexcept {
  ::timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

} // namespace

/// Faults are a result, not a failure: it succeeds when all was looked at.
Result<void> LongWork::check_all(Operation& operation) {
  return host_.with_open([&](LiveDirectory& live) -> Result<void> {
    const std::shared_ptr<const BlocksView> view = live.blocks().blocks();
    const std::string& name = live.blocks().name();
    const CheckedDirectory directory{
        live.database(), *view, name, name + "/quarantine",
        [&live](std::uint32_t device, std::uint32_t series) { return live.owner(device, series); }};
    CpuPace pace;
    std::int64_t told_ms = 0;
    const auto watch = [&](std::uint64_t done, std::uint64_t total) {
      if (host_.now_ms() - told_ms >= kTellEveryMs) {
        told_ms = host_.now_ms();
        operation.done = done;
        operation.total = total;
        (void)live.operations().put(operation, told_ms); // For those who look.
      }
      const std::int64_t pause_ns =
          pace.pause_ns(thread_cpu_ns(), steady_ns(), host_.background_cpu_max());
      return pause(std::chrono::nanoseconds(pause_ns)) && !host_.closing();
    };
    auto report = check_directory(directory, watch);
    if (!report) {
      return fail(std::move(report.error()));
    }
    operation.total = operation.total.value_or(operation.done);
    operation.result = json_of(*report);
    return {};
  });
}

} // namespace spate::storage
