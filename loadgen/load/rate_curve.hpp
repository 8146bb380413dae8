// Spate - how many messages a second a cohort sends, over the time of a run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "engine/base/result.hpp"

namespace spate::loadgen {

/// What a cohort sends by itself, without regard to stages.
struct RatePattern {
  double devices = 0;
  std::int64_t every_ns = 0; ///< Each device speaks once in this time (> 0).
  /// All of them in the first `herd_spread_ns` of it, which is at most `every_ns`; 0: evenly.
  std::int64_t herd_spread_ns = 0;
  /// A wave over the rate, from `diurnal_low` to 1 and back in this time; 0: none.
  std::int64_t diurnal_period_ns = 0;
  double diurnal_low = 0.2;
  std::int64_t diurnal_peak_ns = 0; ///< When in the period the wave is at 1.
};

/// A stretch of the run in which the rate is multiplied by a level that goes from `from` to `to`.
struct RateLevel {
  std::int64_t duration_ns = 0; ///< > 0
  double from = 1, to = 1;      ///< >= 0
};

/// An intensity over time, linear in pieces, with jumps between them. Times count from the begin of
/// the load.
///
/// Message n of the cohort is due where the integral of the intensity passes n, so that message 0
/// is due as soon as anything is, and a message that a pause ends in is due when the pause is over.
/// Thread: any; immutable, one curve serves all threads of a cohort, each through a RateCursor.
class RateCurve {
public:
  /// Of a curve; 12 MiB.
  static constexpr std::size_t kPiecesMax = 262'144;
  /// A time that never comes.
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  /// `rate` messages a second (> 0) for ever.
  static RateCurve constant(double rate);
  /// The pattern, repeated for as long as the levels last, times the level. Where a wave and a
  /// sloping level meet, or a wave bends, the intensity is right to 1 % of its peak. Error: usage
  /// if it takes more than kPiecesMax pieces.
  static Result<RateCurve> of(const RatePattern& pattern, std::span<const RateLevel> levels);

  /// Messages a second at `at_ns` (>= 0).
  [[nodiscard]] double rate_at(std::int64_t at_ns) const noexcept;
  /// The integral from 0 to `at_ns` (>= 0).
  [[nodiscard]] double messages_before(std::int64_t at_ns) const noexcept;
  /// The highest rate of all, in messages a second.
  [[nodiscard]] double rate_max() const noexcept;
  /// The integral over all; infinite if the curve has no end.
  [[nodiscard]] double messages() const noexcept { return messages_; }
  [[nodiscard]] std::size_t pieces() const noexcept { return pieces_.size(); }

private:
  friend class RateCursor;

  struct Piece {
    double begin_ns = 0;
    double end_ns = 0;
    double messages = 0;  ///< Before it.
    double rate = 0;      ///< Per ns, at its begin.
    double slope = 0;     ///< Per ns and ns.
    double period_ns = 0; ///< Between messages, if there is no slope.
  };

  RateCurve() = default;
  bool add(double end_ns, double from_per_s, double to_per_s);
  [[nodiscard]] const Piece& piece_at(double at_ns) const noexcept;

  std::vector<Piece> pieces_; ///< In order, without gaps; never empty.
  double messages_ = 0;
};

/// Finds when messages are due, in order.
/// Thread: one. Borrows the curve.
class RateCursor {
public:
  explicit RateCursor(const RateCurve& curve) noexcept : curve_(&curve) {}

  /// When message `number` is due, in ns from the begin; kNever if the curve ends before. `number`
  /// may have a fraction and must not be smaller than in the last call. O(1) amortised.
  [[nodiscard]] double due_ns(double number) noexcept;

  static constexpr double kNever = std::numeric_limits<double>::infinity();

private:
  const RateCurve* curve_;
  std::size_t piece_ = 0;
};

} // namespace spate::loadgen
