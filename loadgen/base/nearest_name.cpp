#include "loadgen/base/nearest_name.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace spate::loadgen {

namespace {

constexpr std::size_t kNameBytesMax = 64; // Longer words are nobody's slip.

/// Levenshtein's distance.
std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row.back();
}

} // namespace

std::string_view nearest_name(std::string_view word, std::span<const std::string_view> names) {
  std::string_view nearest;
  std::size_t fewest = ~std::size_t{0};
  if (word.empty() || word.size() > kNameBytesMax) {
    return nearest;
  }
  for (const std::string_view name : names) {
    const std::size_t edits = edits_between(word, name);
    if (edits < fewest && edits <= std::max<std::size_t>(2, name.size() / 3)) {
      fewest = edits;
      nearest = name;
    }
  }
  return nearest;
}

} // namespace spate::loadgen
