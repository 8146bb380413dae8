#include "engine/json/utf8.hpp"

#include <simdjson.h>

#include <algorithm>

namespace spate::json {

namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd"; // U+FFFD

/// Bytes of the well-formed sequence that `text` starts with, 0 if there is none.
std::size_t sequence_bytes(std::string_view text) noexcept {
  const std::size_t longest = std::min<std::size_t>(4, text.size());
  for (std::size_t size = 1; size <= longest; ++size) {
    if (simdjson::validate_utf8(text.data(), size)) {
      return size;
    }
  }
  return 0;
}

} // namespace

bool is_utf8(std::string_view text) noexcept {
  return simdjson::validate_utf8(text.data(), text.size());
}

void append_utf8_lossy(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = sequence_bytes(text);
    if (size == 0) {
      out.append(kReplacement);
      text.remove_prefix(1);
    } else {
      out.append(text.substr(0, size));
      text.remove_prefix(size);
    }
  }
}

} // namespace spate::json
