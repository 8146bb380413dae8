// Spate - the text of one value within a document, as it was sent.
#pragma once

#include <optional>
#include <string_view>

#include "engine/json/reader.hpp"

namespace spate::json {

/// `first` is the token that `reader` just gave, the start of a value in `document`. Walks over the
/// whole value and gives its text; nullopt if a fault came first. Borrows `document`.
[[nodiscard]] inline std::optional<std::string_view> take_raw(Reader& reader, Token first,
                                                              std::string_view document) {
  const std::size_t begin = reader.offset();
  std::size_t end = begin;
  switch (first) {
  case Token::object_begin:
  case Token::array_begin: {
    const unsigned depth = reader.depth();
    while (reader.depth() >= depth) {
      if (reader.next() == Token::fault) {
        return std::nullopt;
      }
    }
    end = reader.offset() + 1;
    break;
  }
  case Token::string:
    for (++end; end < document.size() && document[end] != '"'; ++end) {
      end += document[end] == '\\' ? 1 : 0;
    }
    ++end;
    break;
  case Token::number:
  case Token::true_value:
  case Token::false_value:
  case Token::null_value:
    end = document.find_first_of(",]} \t\r\n", begin);
    break;
  default:
    return std::nullopt;
  }
  return document.substr(begin, end == std::string_view::npos ? end : end - begin);
}

} // namespace spate::json
