// Spate - a bounded memory of which records were sealed lately, to notice that one is sent again.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/base/hash.hpp"

namespace spate::storage {

/// Remembers (device, shape, time) as 32-bit tags in sets of 16, the oldest of a set making room.
/// It may forget and it may mistake: a hit has to be checked against the rows themselves, a miss
/// means that the readers will leave a repeat out. Committer thread.
class RecentKeys {
public:
  /// `keys_max` is rounded up to a power of two; 4 bytes each.
  explicit RecentKeys(std::size_t keys_max) {
    std::size_t sets = 1;
    while (sets * kWays < keys_max) {
      sets *= 2;
    }
    sets_.resize(sets);
    oldest_.resize(sets);
  }

  void add(std::uint32_t device, std::uint32_t shape, std::int64_t time_ns) noexcept {
    const std::uint64_t hash = hash_of(device, shape, time_ns);
    const std::size_t set = hash & (sets_.size() - 1);
    std::uint8_t& oldest = oldest_[set];
    sets_[set][oldest] = tag_of(hash);
    oldest = static_cast<std::uint8_t>((oldest + 1) % kWays);
  }

  [[nodiscard]] bool may_hold(std::uint32_t device, std::uint32_t shape,
                              std::int64_t time_ns) const noexcept {
    const std::uint64_t hash = hash_of(device, shape, time_ns);
    const std::uint32_t tag = tag_of(hash);
    for (const std::uint32_t held : sets_[hash & (sets_.size() - 1)]) {
      if (held == tag) {
        return true;
      }
    }
    return false;
  }

private:
  static constexpr std::size_t kWays = 16;
  struct alignas(64) Set : std::array<std::uint32_t, kWays> {};

  /// Never 0, which marks a free place.
  static std::uint32_t tag_of(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>(hash >> 32) | 1;
  }
  static std::uint64_t hash_of(std::uint32_t device, std::uint32_t shape,
                               std::int64_t time_ns) noexcept {
    std::uint64_t hash = (static_cast<std::uint64_t>(device) << 32 | shape) * 0x9e3779b97f4a7c15u;
    hash ^= static_cast<std::uint64_t>(time_ns) * 0xc2b2ae3d27d4eb4fu;
    hash ^= hash >> 29;
    hash *= 0xbf58476d1ce4e5b9u;
    return hash ^ (hash >> 32);
  }

  std::vector<Set> sets_;
  std::vector<std::uint8_t> oldest_;
};

} // namespace spate::storage
