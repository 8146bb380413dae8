// Spate - when a read of the store has to end before it is done.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>

#include "api/problems.hpp"
#include "engine/http/exchange.hpp"

namespace spate::api {

using SteadyTime = std::chrono::steady_clock::time_point;

/// Told to all reads of a server at once. Any thread.
class ReadStop {
public:
  /// Reads that are under way have until then.
  void set(SteadyTime end) noexcept { end_ = end.time_since_epoch().count(); }
  [[nodiscard]] bool over(SteadyTime now) const noexcept {
    return now.time_since_epoch().count() >= end_;
  }

private:
  std::atomic<SteadyTime::rep> end_{std::numeric_limits<SteadyTime::rep>::max()};
};

/// The limit of one read: its deadline, its client's end, and the node's stop. Asked before each
/// block by whoever reads; one thread at a time.
class ReadLimit {
public:
  /// `stop` is borrowed.
  ReadLimit(SteadyTime deadline, std::shared_ptr<const http::Peer> peer, const ReadStop& stop)
      : deadline_(deadline), peer_(std::move(peer)), stop_(stop) {}

  /// True once the read has to end, and from then on.
  [[nodiscard]] bool over(SteadyTime now = std::chrono::steady_clock::now());
  /// Nobody would hear the answer.
  [[nodiscard]] bool unheard() const noexcept { return peer_->gone; }
  /// Begins anew, for the next part of a long answer.
  void restart(SteadyTime deadline) noexcept { deadline_ = deadline; }
  /// Why over() is true.
  [[nodiscard]] Problem problem() const;

  /// A peer that sends no more may have hung up, which only writing to it would tell: what is not
  /// read by then is read for nobody, most likely.
  static constexpr std::chrono::milliseconds kHalfClosedGrace{1000};

private:
  enum class Why : std::uint8_t { none, deadline, peer, stop };
  SteadyTime deadline_;
  std::shared_ptr<const http::Peer> peer_;
  const ReadStop& stop_;
  std::optional<SteadyTime> half_closed_; ///< When it was first seen.
  Why why_ = Why::none;
};

} // namespace spate::api
