// Spate - JSON in: walks one document as a row of tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/json/number.hpp"

namespace spate::json {

enum class Token : std::uint8_t {
  object_begin,
  object_end,
  array_begin,
  array_end,
  key,    ///< text() is the member's name.
  string, ///< text()
  number, ///< number()
  true_value,
  false_value,
  null_value,
  end,   ///< The document was whole and valid.
  fault, ///< It is not; see fault_kind() and fault_detail().
};

enum class FaultKind : std::uint8_t {
  none,
  syntax, ///< Not JSON (RFC 8259).
  depth,  ///< Nested deeper than the limit.
  utf8,   ///< Not UTF-8.
};

/// Pulls tokens out of a document: simdjson's first stage finds the structural characters and
/// checks UTF-8, quotes and control characters for the whole text at once; this class then walks
/// them and checks the grammar of every value, asked for or not, which simdjson's on-demand front
/// end leaves to its caller.
///
/// Flow:   payload -> Reader -> telemetry::Parser
/// Thread: one at a time; keep the object, since its buffers are reused: a warm reader allocates
/// nothing. Memory: 5 bytes for each byte of the largest document that it has seen. Errors: a token
/// `fault`, once; a document is valid only if `end` was reached.
///
///     for (Token t = reader.open(text); t != Token::end; t = reader.next()) ...
class Reader {
public:
  /// Bytes behind the document that must be readable, whatever they hold.
  static constexpr std::size_t kPaddingBytes = 64;
  static constexpr unsigned kDepthMax = 64;

  /// `depth_max`: how many objects and arrays may lie in each other, at most kDepthMax.
  explicit Reader(unsigned depth_max = kDepthMax);
  ~Reader();
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;

  /// Starts a document and gives its first token. `document` must stay until the last use of a view
  /// from here, and be followed by kPaddingBytes readable bytes.
  Token open(std::string_view document);
  Token next();

  /// next(), for who knows where the document is: in an object behind `{` or a member's value
  /// (gives key, object_end or fault); behind a key (gives what a value starts with); in an array
  /// behind `[` or an element (the same, or array_end).
  Token next_member();
  Token next_value();
  Token next_element();

  /// Of the last key or string, unescaped; valid until the next open(), and 8 bytes behind are
  /// readable.
  [[nodiscard]] std::string_view text() const noexcept { return text_; }
  [[nodiscard]] const Number& number() const noexcept { return number_; }
  /// Objects and arrays that are open now.
  [[nodiscard]] unsigned depth() const noexcept { return depth_; }
  /// Where the last token stands in the document.
  [[nodiscard]] std::size_t offset() const noexcept { return offset_; }

  [[nodiscard]] FaultKind fault_kind() const noexcept { return fault_kind_; }
  /// For people, with byte offsets from 0: "`}` at byte 87 after the end of the document". At most
  /// a few characters of the document are quoted, never control characters.
  [[nodiscard]] const std::string& fault_detail() const noexcept { return fault_detail_; }

private:
  struct Index; ///< simdjson's parser.
  enum class State : std::uint8_t {
    value,       ///< A value must come.
    first,       ///< In a container just opened: its first member or element, or its end.
    after_value, ///< A comma or the closing bracket; at depth 0 the end.
    done,
  };

  [[nodiscard]] bool in_object() const noexcept { return ((objects_ >> (depth_ - 1)) & 1) != 0; }
  /// The text from the current structural character up to the next one, without white space behind.
  [[nodiscard]] std::string_view stretch() const noexcept {
    const char* const begin = document_.data() + at_[0];
    const char* last = document_.data() + at_[1];
    while (static_cast<unsigned char>(last[-1]) <= ' ' && last - 1 != begin && is_space(last[-1])) {
      --last;
    }
    return {begin, static_cast<std::size_t>(last - begin)};
  }
  static bool is_space(char c) noexcept { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

  Token read_key();
  Token open_container(bool object);
  Token close(Token token);
  bool take_string();
  bool unescape(std::string_view raw);
  Token read_literal(char first);

  Token stop(FaultKind kind, std::size_t offset, std::string detail);
  Token stop_expecting(const char* what);
  Token stop_too_deep();
  Token stop_in_value(std::string_view stretch);
  Token stop_in_index(int code);

  const std::uint32_t* at_ = nullptr;  ///< Offset of the next structural character.
  const std::uint32_t* end_ = nullptr; ///< One past the last; *end_ is the size of the document.
  std::string_view document_;
  std::string_view text_;
  std::uint64_t objects_ = 0; ///< Bit i: the container at depth i + 1 is an object.
  std::size_t offset_ = 0;
  unsigned depth_ = 0;
  unsigned depth_max_;
  State state_ = State::done;
  bool escapes_ = false; ///< A backslash is somewhere in the document.
  FaultKind fault_kind_ = FaultKind::none;
  Number number_;
  std::unique_ptr<char[]> unescaped_; ///< Strings that held escapes; as large as the document.
  std::size_t unescaped_bytes_ = 0;
  std::size_t unescaped_capacity_ = 0;
  std::string fault_detail_;
  std::unique_ptr<Index> index_;
};

inline Token Reader::open_container(bool object) {
  if (depth_ == depth_max_) {
    return stop_too_deep();
  }
  objects_ = (objects_ & ~(std::uint64_t{1} << depth_)) | (std::uint64_t{object} << depth_);
  ++depth_;
  state_ = State::first;
  return object ? Token::object_begin : Token::array_begin;
}

inline bool Reader::take_string() {
  const std::string_view quoted = stretch();
  const std::string_view raw(quoted.data() + 1, quoted.size() - 2);
  if (escapes_ && std::memchr(raw.data(), '\\', raw.size()) != nullptr) {
    return unescape(raw);
  }
  text_ = raw;
  return true;
}

inline Token Reader::read_key() {
  if (at_ == end_ || document_[*at_] != '"') {
    return stop_expecting("a key in quotes");
  }
  offset_ = *at_;
  if (!take_string()) {
    return Token::fault;
  }
  ++at_;
  if (at_ == end_ || document_[*at_] != ':') {
    return stop_expecting("`:`");
  }
  ++at_;
  state_ = State::value;
  return Token::key;
}

inline Token Reader::close(Token token) {
  offset_ = *at_++;
  --depth_;
  state_ = State::after_value;
  return token;
}

inline Token Reader::next_value() {
  if (at_ == end_) {
    return stop_expecting("more");
  }
  offset_ = *at_;
  const char first = document_[*at_];
  state_ = State::after_value;
  if (first == '-' || static_cast<unsigned char>(first - '0') < 10) {
    if (!read_number<true>(stretch(), number_)) {
      return stop_in_value(stretch());
    }
    ++at_;
    return Token::number;
  }
  switch (first) {
  case '"':
    if (!take_string()) {
      return Token::fault;
    }
    ++at_;
    return Token::string;
  case '{':
    ++at_;
    return open_container(true);
  case '[':
    ++at_;
    return open_container(false);
  default:
    return read_literal(first);
  }
}

inline Token Reader::next_member() {
  if (at_ == end_) {
    return stop_expecting("more");
  }
  const char c = document_[*at_];
  if (c == '}') {
    return close(Token::object_end);
  }
  if (state_ == State::after_value) {
    if (c != ',') {
      return stop_expecting("`,` or `}`");
    }
    ++at_;
  }
  return read_key();
}

inline Token Reader::next_element() {
  if (at_ == end_) {
    return stop_expecting("more");
  }
  const char c = document_[*at_];
  if (c == ']') {
    return close(Token::array_end);
  }
  if (state_ == State::after_value) {
    if (c != ',') {
      return stop_expecting("`,` or `]`");
    }
    ++at_;
  }
  return next_value();
}

inline Token Reader::next() {
  switch (state_) {
  case State::value:
    return next_value();
  case State::first:
  case State::after_value:
    if (depth_ != 0) {
      return in_object() ? next_member() : next_element();
    }
    if (at_ != end_) {
      return stop_expecting("the end of the document");
    }
    state_ = State::done;
    return Token::end;
  case State::done:
    break;
  }
  return fault_kind_ == FaultKind::none ? Token::end : Token::fault;
}

} // namespace spate::json
