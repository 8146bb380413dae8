// Spate - texts taken apart, filled in and quoted.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace spate::loadgen {

/// `text` with `word` wherever `place` stands.
[[nodiscard]] inline std::string placed(std::string text, std::string_view place,
                                        std::string_view word) {
  for (std::size_t at = 0; (at = text.find(place, at)) != std::string::npos; at += word.size()) {
    text.replace(at, place.size(), word);
  }
  return text;
}

/// What stands between the separators: one more than there are of them.
[[nodiscard]] std::vector<std::string> split(std::string_view text, std::string_view separator);

/// A string as JSON and TOML both write it, byte for byte but for quotes, backslashes and control
/// characters.
[[nodiscard]] std::string quoted(std::string_view text);

} // namespace spate::loadgen
