#include "engine/model/ledger.hpp"

#include <algorithm>
#include <numeric>

namespace spate::model {

std::uint64_t LedgerCounts::rejected_total() const noexcept {
  return std::accumulate(rejected.begin(), rejected.end(), std::uint64_t{0});
}

std::int64_t LedgerCounts::imbalance() const noexcept {
  return static_cast<std::int64_t>(received - (stored + duplicate + in_flight + rejected_total()));
}

void LedgerCounts::move_to_duplicate(std::uint64_t records) noexcept {
  const std::uint64_t moved = std::min(records, stored);
  stored -= moved;
  duplicate += moved;
}

LedgerCounts& LedgerCounts::operator+=(const LedgerCounts& other) noexcept {
  received += other.received;
  stored += other.stored;
  duplicate += other.duplicate;
  in_flight += other.in_flight;
  for (std::size_t i = 0; i < rejected.size(); ++i) {
    rejected[i] += other.rejected[i];
  }
  return *this;
}

void LedgerCell::publish(const LedgerCounts& next) noexcept {
  const std::uint32_t before = sequence_.load(std::memory_order_relaxed);
  sequence_.store(before + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  // Only what changed: most updates touch two or three counters.
  const auto put = [this](std::size_t cell, std::uint64_t value, std::uint64_t old) {
    if (value != old) {
      cells_[cell].store(value, std::memory_order_relaxed);
    }
  };
  put(0, next.received, last_.received);
  put(1, next.stored, last_.stored);
  put(2, next.duplicate, last_.duplicate);
  put(3, next.in_flight, last_.in_flight);
  for (std::size_t i = 0; i < kRejectReasons; ++i) {
    put(4 + i, next.rejected[i], last_.rejected[i]);
  }
  sequence_.store(before + 2, std::memory_order_release);
}

LedgerCounts LedgerCell::snapshot() const noexcept {
  for (;;) {
    const std::uint32_t before = sequence_.load(std::memory_order_acquire);
    LedgerCounts counts;
    counts.received = cells_[0].load(std::memory_order_relaxed);
    counts.stored = cells_[1].load(std::memory_order_relaxed);
    counts.duplicate = cells_[2].load(std::memory_order_relaxed);
    counts.in_flight = cells_[3].load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < kRejectReasons; ++i) {
      counts.rejected[i] = cells_[4 + i].load(std::memory_order_relaxed);
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (before % 2 == 0 && sequence_.load(std::memory_order_relaxed) == before) {
      return counts;
    }
  }
}

} // namespace spate::model
