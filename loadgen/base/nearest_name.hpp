// Spate - which name somebody may have meant.
#pragma once

#include <span>
#include <string_view>

namespace spate::loadgen {

/// The one of `names` that takes the fewest edits to get to from `word`, or "" if every name takes
/// more than a third of its length, but at least two.
[[nodiscard]] std::string_view nearest_name(std::string_view word,
                                            std::span<const std::string_view> names);

} // namespace spate::loadgen
