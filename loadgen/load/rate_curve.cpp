#include "loadgen/load/rate_curve.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <iterator>
#include <numbers>
#include <string>

namespace spate::loadgen {

namespace {

/// Chords that stand for a wave: they are off by 0.03 % of its height, and where a level slopes
/// across one of them, by 0.7 % at most.
constexpr int kWaveChords = 128;
constexpr double kForever = std::numeric_limits<double>::infinity();

/// Sums of products of decimal numbers miss the whole number that is meant by a hair; then the last
/// message of a herd would be the first of the next one.
double snapped(double messages) noexcept {
  const double whole = std::round(messages);
  return std::abs(messages - whole) <= 1e-6 + whole * 1e-14 ? whole : messages;
}

/// The pattern as a function of time, and where it bends.
class Pattern {
public:
  explicit Pattern(const RatePattern& from) : from_(from) {
    const auto every = static_cast<double>(from.every_ns);
    const auto spread = static_cast<double>(from.herd_spread_ns);
    rate_per_s_ = from.devices * 1e9 / (spread > 0 ? spread : every);
  }

  /// The next time after `at_ns` at which the pattern jumps or bends; kForever if there is none.
  [[nodiscard]] std::int64_t next_bend(std::int64_t at_ns) const noexcept {
    std::int64_t next = RateCurve::kNever;
    if (herd()) {
      const std::int64_t begin = at_ns - at_ns % from_.every_ns;
      const std::int64_t calm = begin + from_.herd_spread_ns;
      next = at_ns < calm ? calm : begin + from_.every_ns;
    }
    if (from_.diurnal_period_ns > 0) {
      // Chord i of its period ends at a rounded time, so that no error adds up.
      const std::int64_t begin = at_ns - at_ns % from_.diurnal_period_ns;
      const double chord = static_cast<double>(from_.diurnal_period_ns) / kWaveChords;
      auto i = static_cast<std::int64_t>(static_cast<double>(at_ns - begin) / chord);
      std::int64_t end = at_ns;
      for (; end <= at_ns; ++i) {
        end = begin + std::llround(static_cast<double>(i + 1) * chord);
      }
      next = std::min(next, end);
    }
    return next;
  }

  /// Just behind `at_ns`: whether a herd is calm is asked of the piece that begins there.
  [[nodiscard]] bool calm_from(std::int64_t at_ns) const noexcept {
    return herd() && at_ns % from_.every_ns >= from_.herd_spread_ns;
  }

  [[nodiscard]] double rate_per_s(std::int64_t at_ns) const noexcept {
    if (from_.diurnal_period_ns == 0) {
      return rate_per_s_;
    }
    const double turn =
        static_cast<double>((at_ns - from_.diurnal_peak_ns) % from_.diurnal_period_ns) /
        static_cast<double>(from_.diurnal_period_ns);
    const double wave = (1 + std::cos(2 * std::numbers::pi * turn)) / 2;
    return rate_per_s_ * (from_.diurnal_low + (1 - from_.diurnal_low) * wave);
  }

private:
  [[nodiscard]] bool herd() const noexcept {
    return from_.herd_spread_ns > 0 && from_.herd_spread_ns < from_.every_ns;
  }

  RatePattern from_;
  double rate_per_s_;
};

} // namespace

RateCurve RateCurve::constant(double rate) {
  assert(rate > 0);
  RateCurve curve;
  curve.pieces_.push_back({0, kForever, 0, rate / 1e9, 0, 1e9 / rate});
  curve.messages_ = kForever;
  return curve;
}

bool RateCurve::add(double end_ns, double from_per_s, double to_per_s) {
  if (pieces_.size() == kPiecesMax) {
    return false;
  }
  const double begin_ns = pieces_.empty() ? 0 : pieces_.back().end_ns;
  const double length_ns = end_ns - begin_ns;
  const double from = from_per_s / 1e9, to = to_per_s / 1e9;
  pieces_.push_back({begin_ns, end_ns, messages_, from, (to - from) / length_ns, 1e9 / from_per_s});
  messages_ = snapped(messages_ + (from + to) / 2 * length_ns);
  return true;
}

Result<RateCurve> RateCurve::of(const RatePattern& from, std::span<const RateLevel> levels) {
  assert(from.devices > 0 && from.every_ns > 0 && from.herd_spread_ns <= from.every_ns &&
         !levels.empty());
  const Pattern pattern(from);
  RateCurve curve;
  std::int64_t stage_ns = 0; // Where the level begins.
  for (const RateLevel& level : levels) {
    assert(level.duration_ns > 0);
    const std::int64_t end_ns = stage_ns + level.duration_ns;
    const auto level_at = [&](std::int64_t at_ns) {
      return level.from + (level.to - level.from) * static_cast<double>(at_ns - stage_ns) /
                              static_cast<double>(level.duration_ns);
    };
    for (std::int64_t at_ns = stage_ns; at_ns < end_ns;) {
      const bool rests = level.from == 0 && level.to == 0;
      const std::int64_t next_ns = rests ? end_ns : std::min(pattern.next_bend(at_ns), end_ns);
      const bool calm = rests || pattern.calm_from(at_ns);
      if (!curve.add(static_cast<double>(next_ns),
                     calm ? 0 : pattern.rate_per_s(at_ns) * level_at(at_ns),
                     calm ? 0 : pattern.rate_per_s(next_ns) * level_at(next_ns))) {
        return fail(Errc::usage, "the rate changes more than " + std::to_string(kPiecesMax) +
                                     " times: make the run shorter, or the period of its herd or "
                                     "its wave longer");
      }
      at_ns = next_ns;
    }
    stage_ns = end_ns;
  }
  return curve;
}

const RateCurve::Piece& RateCurve::piece_at(double at_ns) const noexcept {
  const auto behind =
      std::upper_bound(pieces_.begin(), pieces_.end(), at_ns,
                       [](double at, const Piece& piece) { return at < piece.begin_ns; });
  return behind == pieces_.begin() ? *behind : *std::prev(behind);
}

double RateCurve::rate_at(std::int64_t at_ns) const noexcept {
  const auto at = static_cast<double>(at_ns);
  const Piece& piece = piece_at(at);
  return at >= piece.end_ns ? 0 : (piece.rate + piece.slope * (at - piece.begin_ns)) * 1e9;
}

double RateCurve::rate_max() const noexcept {
  double most = 0;
  for (const Piece& piece : pieces_) {
    const double end =
        piece.slope == 0 ? piece.rate : piece.rate + piece.slope * (piece.end_ns - piece.begin_ns);
    most = std::max({most, piece.rate, end});
  }
  return most * 1e9;
}

double RateCurve::messages_before(std::int64_t at_ns) const noexcept {
  const auto at = static_cast<double>(at_ns);
  const Piece& piece = piece_at(at);
  if (at >= piece.end_ns) {
    return messages_;
  }
  const double into_ns = at - piece.begin_ns;
  return piece.messages + (piece.rate + piece.slope * into_ns / 2) * into_ns;
}

double RateCursor::due_ns(double number) noexcept {
  const auto& pieces = curve_->pieces_;
  // Where the integral passes the number: a piece that only reaches it is over before.
  while (piece_ + 1 < pieces.size() && pieces[piece_ + 1].messages <= number) {
    ++piece_;
  }
  if (number >= curve_->messages_) {
    return kNever;
  }
  const RateCurve::Piece& piece = pieces[piece_];
  const double rest = number - piece.messages;
  if (piece.slope == 0) {
    return piece.begin_ns + rest * piece.period_ns;
  }
  // rate*t + slope*t^2/2 = rest, in the form that loses no digits for small slopes.
  const double root = std::sqrt(std::max(0.0, piece.rate * piece.rate + 2 * piece.slope * rest));
  const double into_ns = rest == 0 ? 0 : 2 * rest / (piece.rate + root);
  return std::min(piece.begin_ns + into_ns, piece.end_ns);
}

} // namespace spate::loadgen
