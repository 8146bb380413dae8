// Spate - the last messages that were put into queues, so that their acknowledgement needs no look
// into the database.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace spate::storage {

/// What has no place any more is looked up: a later message takes its slot. 2 MiB. Thread: the
/// store's.
class RecentlyQueued {
public:
  struct Weight {
    std::uint64_t bytes = 0;
    std::uint64_t body = 0; ///< As StoredQueued.
  };

  void put(std::uint64_t session, std::uint64_t sequence, Weight weight) noexcept {
    slot(session, sequence) = {session, sequence, weight};
  }
  /// It leaves, or changes.
  std::optional<Weight> take(std::uint64_t session, std::uint64_t sequence) noexcept {
    Slot& found = slot(session, sequence);
    if (found.session != session || found.sequence != sequence) {
      return std::nullopt;
    }
    found.session = 0;
    return found.weight;
  }
  /// What was put may not be in the database.
  void clear() { slots_ = std::make_unique<Slot[]>(kSlots); }

private:
  static constexpr std::size_t kSlots = 1u << 16;
  struct Slot {
    std::uint64_t session = 0; ///< 0: empty.
    std::uint64_t sequence = 0;
    Weight weight;
  };
  [[nodiscard]] Slot& slot(std::uint64_t session, std::uint64_t sequence) const noexcept {
    // The messages of one session lie side by side, sessions anywhere.
    return slots_[(session * 0x9e3779b97f4a7c15u + sequence) % kSlots];
  }
  std::unique_ptr<Slot[]> slots_ = std::make_unique<Slot[]>(kSlots);
};

} // namespace spate::storage
