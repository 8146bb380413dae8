// Spate - which known word somebody meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace spate {

/// The known word that `word` is most likely a slip of: few letters wrong, missing, too many or
/// swapped. Empty if none is near. Reads the first 64 bytes of each.
[[nodiscard]] std::string_view nearest_word(std::string_view word,
                                            std::span<const std::string_view> known);

/// For the end of an error: "; did you mean 'x'?" if one is near, else "; known are: a, b, c".
[[nodiscard]] std::string meant_word(std::string_view word,
                                     std::span<const std::string_view> known);

} // namespace spate
