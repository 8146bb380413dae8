// Spate - PUBLISH packets whose answer is owed, in the order in which they came.
#pragma once

#include <cassert>
#include <cstdint>
#include <vector>

#include "engine/model/reject_reason.hpp"
#include "engine/wire/packets.hpp"

namespace spate::actors {

/// A ring that grows to what the client really uses. Receipts may come in any order (several
/// shards); answers leave in the order of arrival: take_done() gives the oldest only when it is
/// settled.
class InFlight {
public:
  struct Entry {
    std::uint16_t packet_id = 0;
    std::uint8_t qos = 0;
    bool done = false;
    std::uint8_t waits = 1; ///< Receipts that are awaited: of the store, of the session store.
    wire::Reason reason = wire::Reason::success;
    model::RejectReason refused = model::RejectReason::none; ///< What `reason` stands for.
  };
  /// push() gives numbers below it, in a circle.
  static constexpr std::uint32_t kNumbers = 1u << 31;

  [[nodiscard]] std::size_t size() const noexcept { return next_ - first_; }
  [[nodiscard]] bool empty() const noexcept { return next_ == first_; }

  /// The number by which settle() finds it.
  std::uint32_t push(Entry entry) {
    if (size() == entries_.size()) {
      grow();
    }
    entries_[next_ & (entries_.size() - 1)] = entry;
    return next_++ % kNumbers;
  }

  /// The entry of a number that push() gave and take_done() has not taken yet.
  [[nodiscard]] Entry& at(std::uint32_t number) noexcept {
    assert((number - first_) % kNumbers < size());
    return entries_[number & (entries_.size() - 1)];
  }

  /// True and the oldest entry if it is done.
  bool take_done(Entry& out) noexcept {
    if (empty() || !entries_[first_ & (entries_.size() - 1)].done) {
      return false;
    }
    out = entries_[first_++ & (entries_.size() - 1)];
    return true;
  }

private:
  void grow() {
    std::vector<Entry> larger(entries_.empty() ? 4 : 2 * entries_.size());
    for (std::uint32_t n = first_; n != next_; ++n) {
      larger[n & (larger.size() - 1)] = entries_[n & (entries_.size() - 1)];
    }
    entries_ = std::move(larger);
  }

  std::vector<Entry> entries_; ///< Its size is a power of two.
  std::uint32_t first_ = 0;
  std::uint32_t next_ = 0;
};

} // namespace spate::actors
