// Spate - keeps a thread to its share of a core. Pure: clocks come in as arguments.
#pragma once

#include <algorithm>
#include <cstdint>

namespace spate::storage {

/// Tells how long to pause so that CPU time stays below a share of the time that has passed. What
/// was not used for long is not saved up.
class CpuPace {
public:
  /// `cpu_ns` of the thread, `now_ns` of a steady clock. 0: go on.
  [[nodiscard]] std::int64_t pause_ns(std::int64_t cpu_ns, std::int64_t now_ns,
                                      double share) noexcept {
    if (now_ns - begin_ns_ > kWindowNs || share >= 1) {
      begin_ns_ = now_ns;
      begin_cpu_ns_ = cpu_ns;
      return 0;
    }
    const double used = static_cast<double>(cpu_ns - begin_cpu_ns_);
    const auto due = static_cast<std::int64_t>(used / std::max(share, kShareMin));
    const std::int64_t ahead = due - (now_ns - begin_ns_);
    return ahead < kPauseMinNs ? 0 : std::min(ahead, kPauseMaxNs);
  }

private:
  static constexpr double kShareMin = 0.01;
  static constexpr std::int64_t kWindowNs = 10'000'000'000;
  static constexpr std::int64_t kPauseMinNs = 2'000'000; ///< Shorter ones cost more than they give.
  static constexpr std::int64_t kPauseMaxNs = 1'000'000'000;

  std::int64_t begin_ns_ = 0;
  std::int64_t begin_cpu_ns_ = 0;
};

} // namespace spate::storage
