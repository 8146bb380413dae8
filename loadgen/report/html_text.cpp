#include "loadgen/report/html_text.hpp"

#include "engine/base/utf8.hpp"

namespace spate::loadgen {

namespace {

/// How many bytes the character at the begin of `text` has; 0 if it is none.
std::size_t character_bytes(std::string_view text) noexcept {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const bool whole = text.size() >= size && is_utf8(text.substr(0, size));
  const bool control = first < 0x20 && first != '\n' && first != '\t';
  // U+FFFE and U+FFFF are no characters of XML.
  const bool none = whole && size == 3 && first == 0xef && text.substr(1, 1) == "\xbf" &&
                    static_cast<unsigned char>(text[2]) >= 0xbe;
  return whole && !control && first != 0x7f && !none ? size : 0;
}

} // namespace

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const std::size_t size = character_bytes(text);
    switch (size == 1 ? text.front() : '\0') {
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '&':
      out += "&amp;";
      break;
    case '"':
      out += "&quot;";
      break;
    case '\'':
      out += "&#39;";
      break;
    default:
      out += size == 0 ? "\xef\xbf\xbd" : text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

} // namespace spate::loadgen
