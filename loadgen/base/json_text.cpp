#include "loadgen/base/json_text.hpp"

#include "engine/base/hash.hpp"

namespace spate::loadgen {

namespace {

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

int hex_digit(char c) noexcept {
  if (is_digit(c)) {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// A cursor over the text. Every skip_* leaves it behind what it skipped or returns false.
class Scanner {
public:
  explicit Scanner(std::string_view text) noexcept : text_(text) {}

  [[nodiscard]] std::size_t at() const noexcept { return at_; }
  [[nodiscard]] bool done() noexcept { return peek() == '\0' && at_ == text_.size(); }
  [[nodiscard]] std::string_view since(std::size_t start) const noexcept {
    return text_.substr(start, at_ - start);
  }

  /// The next byte that is no white space, or NUL at the end (a NUL in the text matches nothing
  /// either).
  char peek() noexcept {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool take(char c) noexcept {
    if (peek() != c || at_ == text_.size()) {
      return false;
    }
    ++at_;
    return true;
  }

  bool skip_string() noexcept {
    if (!take('"')) {
      return false;
    }
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') {
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) {
        return false;
      }
      if (c == '\\') {
        ++at_; // Which escape it is matters to json_unescape only; a quote behind it does not end
               // the string.
      }
    }
    return false;
  }

  bool skip_value(int depth, JsonType& type) noexcept {
    switch (peek()) {
    case '{':
      type = JsonType::object;
      return skip_container('{', '}', depth);
    case '[':
      type = JsonType::array;
      return skip_container('[', ']', depth);
    case '"':
      type = JsonType::string;
      return skip_string();
    case 't':
      type = JsonType::boolean;
      return skip_word("true");
    case 'f':
      type = JsonType::boolean;
      return skip_word("false");
    case 'n':
      type = JsonType::null;
      return skip_word("null");
    default:
      type = JsonType::number;
      return skip_number();
    }
  }

private:
  bool skip_container(char open, char close, int depth) noexcept {
    if (depth >= kJsonDepthMax || !take(open)) {
      return false;
    }
    if (take(close)) {
      return true;
    }
    do {
      if (open == '{' && !(skip_string() && take(':'))) {
        return false;
      }
      JsonType ignored{};
      if (!skip_value(depth + 1, ignored)) {
        return false;
      }
    } while (take(','));
    return take(close);
  }

  bool skip_word(std::string_view word) noexcept {
    if (text_.substr(at_, word.size()) != word) {
      return false;
    }
    at_ += word.size();
    return true;
  }

  bool skip_digits() noexcept {
    const std::size_t start = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) {
      ++at_;
    }
    return at_ > start;
  }

  bool skip_number() noexcept {
    if (at_ < text_.size() && text_[at_] == '-') {
      ++at_;
    }
    const bool zero = at_ < text_.size() && text_[at_] == '0';
    if (zero) {
      ++at_;
    } else if (!skip_digits()) {
      return false;
    }
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      if (!skip_digits()) {
        return false;
      }
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) {
        ++at_;
      }
      return skip_digits();
    }
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

tl::unexpected<Error> not_json(std::size_t at) {
  return fail(Errc::malformed_payload, "not JSON at byte " + std::to_string(at));
}

/// Appends a code point; false for none.
bool put_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | (code >> 6));
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3f));
    put(0x80 | ((code >> 6) & 0x3f));
    put(0x80 | (code & 0x3f));
  }
  return true;
}

bool read_hex4(std::string_view text, std::size_t at, std::uint32_t& code) noexcept {
  if (text.size() < at + 4) {
    return false;
  }
  code = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const int digit = hex_digit(text[i]);
    if (digit < 0) {
      return false;
    }
    code = code * 16 + static_cast<std::uint32_t>(digit);
  }
  return true;
}

/// \uXXXX at `at` (behind the u), with its second half if it is a surrogate. Moves `at` behind what
/// it read.
bool unescape_unicode(std::string_view text, std::size_t& at, std::string& out) {
  std::uint32_t code = 0;
  if (!read_hex4(text, at, code)) {
    return false;
  }
  at += 4;
  if (code >= 0xd800 && code < 0xdc00) {
    std::uint32_t low = 0;
    if (text.substr(at, 2) != "\\u" || !read_hex4(text, at + 2, low) || low < 0xdc00 ||
        low > 0xdfff) {
      return false;
    }
    at += 6;
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  } else if (code >= 0xdc00 && code < 0xe000) {
    return false;
  }
  return put_utf8(out, code);
}

struct Flattener {
  const std::function<void(const JsonField&)>& visit;
  std::string path;
  std::string scratch;

  Result<void> container(std::string_view text, bool array) {
    std::vector<JsonSpan> spans;
    if (auto read = json_members(text, spans); !read) {
      return read;
    }
    const std::size_t length = path.size();
    for (std::size_t i = 0; i < spans.size(); ++i) {
      path.resize(length);
      if (length != 0) {
        path.push_back('.');
      }
      if (array) {
        path += std::to_string(i);
      } else if (!json_unescape(spans[i].key, path)) {
        return fail(Errc::malformed_payload, "a key with a wrong escape");
      }
      if (auto read = value(spans[i]); !read) {
        return read;
      }
    }
    path.resize(length);
    return {};
  }

  Result<void> value(const JsonSpan& span) {
    switch (span.type) {
    case JsonType::null:
      return {};
    case JsonType::object:
      return container(span.text, false);
    case JsonType::array:
      return container(span.text, true);
    case JsonType::string:
      scratch.clear();
      if (!json_unescape(span.text.substr(1, span.text.size() - 2), scratch)) {
        return fail(Errc::malformed_payload, "a string with a wrong escape");
      }
      visit({path, span.type, scratch});
      return {};
    default:
      visit({path, span.type, span.text});
      return {};
    }
  }
};

} // namespace

Result<void> json_members(std::string_view text, std::vector<JsonSpan>& spans) {
  spans.clear();
  Scanner scan(text);
  const bool object = scan.peek() == '{';
  const char close = object ? '}' : ']';
  if (!scan.take(object ? '{' : '[')) {
    return not_json(scan.at());
  }
  if (!scan.take(close)) {
    do {
      JsonSpan span;
      if (object) {
        scan.peek();
        const std::size_t start = scan.at();
        if (!scan.skip_string()) {
          return not_json(scan.at());
        }
        span.key = scan.since(start + 1);
        span.key.remove_suffix(1);
        if (!scan.take(':')) {
          return not_json(scan.at());
        }
      }
      scan.peek();
      const std::size_t start = scan.at();
      if (!scan.skip_value(1, span.type)) {
        return not_json(scan.at());
      }
      span.text = scan.since(start);
      spans.push_back(span);
    } while (scan.take(','));
    if (!scan.take(close)) {
      return not_json(scan.at());
    }
  }
  return scan.done() ? Result<void>{} : not_json(scan.at());
}

bool json_unescape(std::string_view escaped, std::string& out) {
  for (std::size_t i = 0; i < escaped.size();) {
    const char c = escaped[i++];
    if (c != '\\') {
      out.push_back(c);
      continue;
    }
    if (i == escaped.size()) {
      return false;
    }
    static constexpr std::string_view kFrom = "\"\\/bfnrt";
    static constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
    const char kind = escaped[i++];
    if (kind == 'u') {
      if (!unescape_unicode(escaped, i, out)) {
        return false;
      }
    } else if (const auto found = kFrom.find(kind); found != std::string_view::npos) {
      out.push_back(kTo[found]);
    } else {
      return false;
    }
  }
  return true;
}

Result<void> json_flatten(std::string_view object,
                          const std::function<void(const JsonField&)>& visit) {
  Flattener flattener{visit, {}, {}};
  const auto start = object.find_first_not_of(" \t\r\n");
  return flattener.container(object, start != std::string_view::npos && object[start] == '[');
}

Result<std::uint64_t> values_hash(std::string_view object, std::string_view skip) {
  std::uint64_t sum = 0;
  const auto add = [&sum, skip](const JsonField& field) {
    if (skip.empty() || field.path != skip) {
      // The type keeps "1" and 1 apart; the sum makes the order of fields irrelevant.
      const auto seed = hash_bytes(field.path, static_cast<std::uint64_t>(field.type));
      sum += hash_bytes(field.value, seed);
    }
  };
  if (auto read = json_flatten(object, add); !read) {
    return fail(std::move(read.error()));
  }
  return sum;
}

} // namespace spate::loadgen
