// Spate - when messages are due: an open loop that knows nothing of the server.
#pragma once

#include <cstdint>

#include "loadgen/base/random.hpp"

namespace spate::loadgen {

enum class Arrival : std::uint8_t {
  fixed,  ///< One message every 1/rate.
  poisson ///< Gaps are exponential with mean 1/rate: independent devices.
};

/// The intended send times of one thread's share of the load.
///
/// next_ns() only moves by pop(): a sender that falls behind still sees every message at the time
/// when it was due, and measures from there. Times do not drift: the n-th fixed time is computed
/// from n, not summed up.
class Schedule {
public:
  /// `rate` messages a second (> 0), the first at `start_ns` + `phase_ns`.
  Schedule(Arrival arrival, double rate, std::int64_t start_ns, std::int64_t phase_ns,
           std::uint64_t seed);

  [[nodiscard]] std::int64_t next_ns() const noexcept { return next_ns_; }
  void pop() noexcept;
  [[nodiscard]] std::uint64_t popped() const noexcept { return popped_; }
  /// How many messages, popped or not, are due before `end_ns` (which must not be before
  /// next_ns()). Exact for fixed arrivals; for Poisson arrivals it walks a copy, so not for the hot
  /// path.
  [[nodiscard]] std::uint64_t due_before(std::int64_t end_ns) const noexcept;

private:
  Arrival arrival_;
  double period_ns_;
  std::int64_t origin_ns_;
  double offset_ns_ = 0; ///< Poisson: from the origin.
  std::uint64_t popped_ = 0;
  std::int64_t next_ns_;
  Random random_;
};

} // namespace spate::loadgen
