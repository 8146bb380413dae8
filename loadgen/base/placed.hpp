// Spate - texts with places such as {device}, which are filled in.
#pragma once

#include <string>
#include <string_view>

namespace spate::loadgen {

/// `text` with `word` wherever `place` stands.
[[nodiscard]] inline std::string placed(std::string text, std::string_view place,
                                        std::string_view word) {
  for (std::size_t at = 0; (at = text.find(place, at)) != std::string::npos; at += word.size()) {
    text.replace(at, place.size(), word);
  }
  return text;
}

} // namespace spate::loadgen
