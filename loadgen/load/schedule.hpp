// Spate - when messages are due: an open loop that knows nothing of the server.
#pragma once

#include <cstdint>
#include <memory>

#include "loadgen/base/random.hpp"
#include "loadgen/load/rate_curve.hpp"
#include "loadgen/load/turns.hpp"

namespace spate::loadgen {

enum class Arrival : std::uint8_t {
  fixed,  ///< At the times that the rate says, evenly.
  poisson ///< Gaps are exponential around them: independent devices.
};

/// The intended send times of one thread's share of a cohort's load.
///
/// next_ns() only moves by pop(): a sender that falls behind still sees every message at the time
/// when it was due, and measures from there. Times do not drift: the n-th fixed time is computed
/// from n, not summed up, and the threads of a cohort together send at the times of one curve.
/// Thread: one.
class Schedule {
public:
  static constexpr std::int64_t kNever = RateCurve::kNever;

  /// The curve, of the whole cohort, begins at `start_ns`. `turns` has a device.
  Schedule(Arrival arrival, std::shared_ptr<const RateCurve> curve, const Turns& turns,
           std::int64_t start_ns, std::uint64_t seed);
  /// One thread, `rate` messages a second (> 0) for ever, the first at `start_ns`.
  Schedule(Arrival arrival, double rate, std::int64_t start_ns, std::uint64_t seed);

  /// kNever once the curve has ended.
  [[nodiscard]] std::int64_t next_ns() const noexcept { return next_ns_; }
  /// Whose turn it is, and which message of the cohort.
  [[nodiscard]] const Turns& turn() const noexcept { return turns_; }
  void pop() noexcept;
  [[nodiscard]] std::uint64_t popped() const noexcept { return popped_; }
  /// How many messages, popped or not, are due before `end_ns` (which must not be before
  /// next_ns()). Exact; for Poisson arrivals it walks a copy, so not for the hot path.
  [[nodiscard]] std::uint64_t due_before(std::int64_t end_ns) const noexcept;

private:
  void look() noexcept;

  Arrival arrival_;
  std::shared_ptr<const RateCurve> curve_;
  RateCursor cursor_;
  Turns turns_;
  std::int64_t start_ns_;
  Random random_;
  double gap_; ///< Poisson: mean distance of the thread's messages, in the cohort's numbers,
  double position_ = 0; ///< and where the next one stands among them.
  std::uint64_t popped_ = 0;
  std::int64_t next_ns_ = 0;
};

} // namespace spate::loadgen
