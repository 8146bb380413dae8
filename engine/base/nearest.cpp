#include "engine/base/nearest.hpp"

#include <algorithm>
#include <array>

namespace spate {

namespace {

constexpr std::size_t kBytesMax = 64;
using Row = std::array<std::size_t, kBytesMax + 1>;

/// Edits from one to the other, a swap of neighbours being one (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) noexcept {
  Row before{}, last{}, now{};
  for (std::size_t j = 0; j <= b.size(); ++j) {
    last[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t other = a[i - 1] == b[j - 1] ? 0 : 1;
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + other});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        now[j] = std::min(now[j], before[j - 2] + 1);
      }
    }
    before = last;
    last = now;
  }
  return last[b.size()];
}

} // namespace

std::string_view nearest_word(std::string_view word, std::span<const std::string_view> known) {
  const std::string_view start = word.substr(0, kBytesMax);
  std::string_view nearest;
  // More than a third wrong is another word.
  std::size_t least = std::max<std::size_t>(start.size() / 3, 1) + 1;
  for (const std::string_view candidate : known) {
    const std::size_t edits = distance(start, candidate.substr(0, kBytesMax));
    if (edits < least) {
      least = edits;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string meant_word(std::string_view word, std::span<const std::string_view> known) {
  if (const std::string_view nearest = nearest_word(word, known); !nearest.empty()) {
    return "; did you mean '" + std::string(nearest) + "'?";
  }
  std::string text;
  for (const std::string_view candidate : known) {
    text.append(text.empty() ? "; known are: " : ", ").append(candidate);
  }
  return text;
}

} // namespace spate
