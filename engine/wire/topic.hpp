// Spate - the quick look at topics that nearly all of them pass. Internal to wire.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "engine/wire/codec.hpp"

namespace spate::wire {

/// The high bit of a byte of the result is set where `word` has a byte that is not ASCII, is U+0000
/// or a wildcard. `+` and `#` differ in one bit, so one comparison finds both.
[[nodiscard]] inline std::uint64_t suspicious_bytes(std::uint64_t word) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101u;
  constexpr std::uint64_t kLow = 0x7f * kOnes;
  static_assert(('#' | 8) == '+');
  // No byte above 0x7f can carry into its neighbour once the high bits are off.
  const std::uint64_t ascii = word & kLow;
  const std::uint64_t not_nul = ascii + kLow;
  const std::uint64_t not_wildcard = ((ascii | (8 * kOnes)) ^ ('+' * kOnes)) + kLow;
  return (word | ~(not_nul & not_wildcard)) & (0x80 * kOnes);
}

/// True for a topic name that is surely good: short, ASCII, without U+0000 and wildcards. False
/// tells nothing.
[[nodiscard]] inline bool plainly_good(std::string_view topic) noexcept {
  // A name of n bytes has at most n + 1 levels.
  if (topic.size() < 8 || topic.size() >= kTopicLevelsMax) {
    return false;
  }
  std::uint64_t word = 0;
  std::uint64_t found = 0;
  for (std::size_t at = 0; at + 8 <= topic.size(); at += 8) {
    std::memcpy(&word, topic.data() + at, 8);
    found |= suspicious_bytes(word);
  }
  std::memcpy(&word, topic.data() + topic.size() - 8, 8);
  return (found | suspicious_bytes(word)) == 0;
}

/// Null if `filter` keeps the rules of 3.1.1, in which shared subscriptions have none of their own.
[[nodiscard]] const char* plain_filter_fault(std::string_view filter) noexcept;

} // namespace spate::wire
