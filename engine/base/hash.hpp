// Spate - one hash for tables and shard choice.
#pragma once

#include <cstdint>
#include <random>
#include <string_view>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace spate {

/// XXH3 of `bytes`. With the default seed it is stable for ever: shard choice depends on it.
[[nodiscard]] inline std::uint64_t hash_bytes(std::string_view bytes,
                                              std::uint64_t seed = 0) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

/// For unordered containers keyed by text, so that a string_view finds a std::string.
/// Seeded anew in each process, so that no peer can choose texts that collide.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return hash_bytes(text, kSeed); }

private:
  static inline const std::uint64_t kSeed = std::random_device()() * 0x9e3779b97f4a7c15u;
};

} // namespace spate
