// Spate - the equation that must hold: received = stored + duplicate + rejected{reason} +
// in_flight.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "engine/model/reject_reason.hpp"

namespace spate::model {

/// Record counts since the process started.
struct LedgerCounts {
  std::uint64_t received = 0;
  std::uint64_t stored = 0;
  std::uint64_t duplicate = 0;
  std::uint64_t in_flight = 0; ///< A count of its own, not the difference of the others.
  std::array<std::uint64_t, kRejectReasons> rejected{};

  [[nodiscard]] std::uint64_t rejected_total() const noexcept;
  /// 0, or a record disappeared (positive) or was counted twice (negative).
  [[nodiscard]] std::int64_t imbalance() const noexcept;
  /// Records counted as stored that turned out, later, to have been stored before. At most those
  /// that this process stored: the rest was counted by the one before it.
  void move_to_duplicate(std::uint64_t records) noexcept;
  LedgerCounts& operator+=(const LedgerCounts& other) noexcept;
};

/// The counts of one loop. One thread writes, any thread takes a consistent snapshot: a sequence
/// lock, so that the sum of the snapshots balances at every moment and not only when the node is
/// quiet.
class LedgerCell {
public:
  /// Owner thread: `change(counts)` is one step that snapshots see whole or not at all.
  template <class Change>
  void update(Change&& change) noexcept {
    LedgerCounts next = last_;
    change(next);
    publish(next);
    last_ = next;
  }

  [[nodiscard]] LedgerCounts snapshot() const noexcept;
  /// Owner thread only, so no copy is torn.
  [[nodiscard]] const LedgerCounts& own() const noexcept { return last_; }

private:
  static constexpr std::size_t kCells = 4 + kRejectReasons;
  void publish(const LedgerCounts& next) noexcept;

  LedgerCounts last_; ///< Owner thread only.
  std::atomic<std::uint32_t> sequence_{0};
  std::array<std::atomic<std::uint64_t>, kCells> cells_{};
};

} // namespace spate::model
