#include "engine/json/reader.hpp"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <new>

namespace spate::json {

namespace {

constexpr std::size_t kCapacityBytesMin = 4096;
/// Offsets are 32 bits; no caller comes near it.
constexpr std::size_t kDocumentBytesMax = 1u << 30;

/// A short piece of the document for a message: printable ASCII as it is, the rest as `?`.
std::string quoted(std::string_view text) {
  constexpr std::size_t kShown = 24;
  std::string out = "`";
  for (const char c : text.substr(0, kShown)) {
    out.push_back(c >= 0x20 && c < 0x7f ? c : '?');
  }
  return out.append(text.size() > kShown ? "...`" : "`");
}

std::string at_byte(std::size_t offset) {
  return " at byte " + std::to_string(offset);
}

std::string hex_byte(unsigned char byte) {
  constexpr char kHex[] = "0123456789abcdef";
  return {'0', 'x', kHex[byte >> 4], kHex[byte & 15]};
}

/// Where the first ill-formed UTF-8 sequence starts. Bisects, since the library only says yes or
/// no.
std::size_t utf8_fault_offset(std::string_view text) noexcept {
  std::size_t good = 0;
  std::size_t bad = text.size();
  while (bad - good > 4) {
    std::size_t middle = good + (bad - good) / 2;
    // A cut inside a character would look like a fault.
    while (middle > good && (static_cast<unsigned char>(text[middle]) & 0xc0) == 0x80) {
      --middle;
    }
    if (middle == good) {
      break;
    }
    (simdjson::validate_utf8(text.data() + good, middle - good) ? good : bad) = middle;
  }
  while (good < bad && static_cast<unsigned char>(text[good]) < 0x80) {
    ++good;
  }
  return good;
}

/// Walks strings to the one that is not closed, or to a control character inside of one.
std::size_t string_fault_offset(std::string_view text, bool& unclosed) noexcept {
  std::size_t opened = 0;
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      inside = !inside;
      opened = i;
    } else if (inside && text[i] == '\\') {
      ++i;
    } else if (inside && static_cast<unsigned char>(text[i]) < 0x20) {
      unclosed = false;
      return i;
    }
  }
  unclosed = inside;
  return opened;
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// The four digits of a \u escape, or -1.
int hex_unit(std::string_view text) noexcept {
  if (text.size() < 4) {
    return -1;
  }
  int unit = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const int digit = hex_digit(text[i]);
    if (digit < 0) {
      return -1;
    }
    unit = unit * 16 + digit;
  }
  return unit;
}

/// A whole code point from behind `\u`; -1 for bad digits or a surrogate without its partner.
/// `used` is the number of characters taken.
int escaped_code_point(std::string_view text, std::size_t& used) noexcept {
  const int unit = hex_unit(text);
  used = 4;
  if (unit < 0xd800 || unit > 0xdfff) {
    return unit;
  }
  if (unit > 0xdbff || text.substr(4, 2) != "\\u") {
    return -1;
  }
  const int low = hex_unit(text.substr(6));
  if (low < 0xdc00 || low > 0xdfff) {
    return -1;
  }
  used = 10;
  return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

char* put_utf8(char* out, int code_point) noexcept {
  const auto c = static_cast<unsigned>(code_point);
  if (c < 0x80) {
    *out++ = static_cast<char>(c);
    return out;
  }
  if (c < 0x800) {
    *out++ = static_cast<char>(0xc0 | (c >> 6));
  } else {
    if (c < 0x10000) {
      *out++ = static_cast<char>(0xe0 | (c >> 12));
    } else {
      *out++ = static_cast<char>(0xf0 | (c >> 18));
      *out++ = static_cast<char>(0x80 | ((c >> 12) & 0x3f));
    }
    *out++ = static_cast<char>(0x80 | ((c >> 6) & 0x3f));
  }
  *out++ = static_cast<char>(0x80 | (c & 0x3f));
  return out;
}

/// What a one-letter escape stands for, 0 if there is none of that letter.
char simple_escape(char letter) noexcept {
  switch (letter) {
  case '"':
  case '\\':
  case '/':
    return letter;
  case 'b':
    return '\b';
  case 'f':
    return '\f';
  case 'n':
    return '\n';
  case 'r':
    return '\r';
  case 't':
    return '\t';
  default:
    return 0;
  }
}

} // namespace

struct Reader::Index {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> kernel;
  std::size_t capacity = 0;

  void reserve(std::size_t bytes) {
    if (bytes <= capacity) {
      return;
    }
    const std::size_t wanted = std::bit_ceil(std::max(bytes, kCapacityBytesMin));
    const auto failed =
        kernel ? kernel->set_capacity(wanted)
               : simdjson::get_active_implementation()->create_dom_parser_implementation(wanted, 1,
                                                                                         kernel);
    if (failed != simdjson::SUCCESS) {
      capacity = 0;
      throw std::bad_alloc();
    }
    capacity = wanted;
  }
};

static_assert(Reader::kPaddingBytes >= simdjson::SIMDJSON_PADDING);

Reader::Reader(unsigned depth_max)
    : depth_max_(std::min(depth_max, kDepthMax)), index_(std::make_unique<Index>()) {
  index_->reserve(kCapacityBytesMin);
}
Reader::~Reader() = default;
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;

Token Reader::open(std::string_view document) {
  document_ = document;
  depth_ = 0;
  fault_kind_ = FaultKind::none;
  offset_ = 0;
  if (document.empty()) {
    return stop(FaultKind::syntax, 0, "the payload is empty");
  }
  if (document.size() > kDocumentBytesMax) {
    return stop(FaultKind::syntax, 0, "the document is too large");
  }
  index_->reserve(document.size());
  auto& kernel = *index_->kernel;
  const auto code = kernel.stage1(reinterpret_cast<const std::uint8_t*>(document.data()),
                                  document.size(), simdjson::stage1_mode::regular);
  if (code != simdjson::SUCCESS) {
    return stop_in_index(code);
  }
  at_ = kernel.structural_indexes.get();
  end_ = at_ + kernel.n_structural_indexes;
  kernel.structural_indexes[kernel.n_structural_indexes] =
      static_cast<std::uint32_t>(document.size());

  escapes_ = std::memchr(document.data(), '\\', document.size()) != nullptr;
  unescaped_bytes_ = 0;
  if (escapes_ && unescaped_capacity_ < document.size() + kPaddingBytes) {
    unescaped_capacity_ = std::bit_ceil(document.size() + kPaddingBytes);
    unescaped_ = std::make_unique<char[]>(unescaped_capacity_);
  }
  state_ = State::value;
  return next();
}

bool Reader::unescape(std::string_view raw) {
  // Unescaped text is never longer, and the strings of a document never overlap: it always fits.
  char* const begin = unescaped_.get() + unescaped_bytes_;
  char* out = begin;
  for (std::size_t i = 0; i < raw.size();) {
    if (raw[i] != '\\') {
      *out++ = raw[i++];
      continue;
    }
    const char letter = i + 1 < raw.size() ? raw[i + 1] : '\0';
    std::size_t used = 0;
    const int code_point = letter == 'u'
                               ? escaped_code_point(raw.substr(i + 2), used)
                               : (simple_escape(letter) != 0 ? simple_escape(letter) : -1);
    if (code_point < 0) {
      const auto offset = static_cast<std::size_t>(raw.data() - document_.data()) + i;
      stop(FaultKind::syntax, offset,
           "bad escape " + quoted(raw.substr(i, letter == 'u' ? 6 : 2)) + at_byte(offset));
      return false;
    }
    out = put_utf8(out, code_point);
    i += 2 + used;
  }
  text_ = {begin, static_cast<std::size_t>(out - begin)};
  unescaped_bytes_ += text_.size();
  return true;
}

Token Reader::read_literal(char first) {
  const std::string_view word = stretch();
  const auto is = [&](std::string_view literal, Token token) {
    if (word != literal) {
      return stop_in_value(word);
    }
    ++at_;
    return token;
  };
  switch (first) {
  case 't':
    return is("true", Token::true_value);
  case 'f':
    return is("false", Token::false_value);
  case 'n':
    return is("null", Token::null_value);
  default:
    return stop_in_value(word);
  }
}

Token Reader::stop(FaultKind kind, std::size_t offset, std::string detail) {
  fault_kind_ = kind;
  fault_detail_ = std::move(detail);
  offset_ = offset;
  state_ = State::done;
  at_ = end_ = nullptr;
  return Token::fault;
}

Token Reader::stop_too_deep() {
  return stop(FaultKind::depth, offset_,
              "nested deeper than " + std::to_string(depth_max_) + " levels" + at_byte(offset_));
}

Token Reader::stop_expecting(const char* what) {
  if (at_ == end_) {
    return stop(FaultKind::syntax, document_.size(),
                "the document ends" + at_byte(document_.size()) + " before it is complete");
  }
  const std::size_t offset = *at_;
  if (state_ == State::after_value && depth_ == 0) {
    return stop(FaultKind::syntax, offset,
                quoted(document_.substr(offset, 1)) + at_byte(offset) +
                    " after the end of the document");
  }
  return stop(FaultKind::syntax, offset,
              quoted(document_.substr(offset, 1)) + at_byte(offset) + " where " + what +
                  " should be");
}

Token Reader::stop_in_value(std::string_view stretch) {
  const auto offset = static_cast<std::size_t>(stretch.data() - document_.data());
  const std::string_view bare = stretch.substr(stretch.front() == '-' ? 1 : 0);
  constexpr std::string_view kNoNumbers[] = {"NaN", "nan", "Infinity", "inf", "Inf"};
  if (std::find(std::begin(kNoNumbers), std::end(kNoNumbers), bare) != std::end(kNoNumbers)) {
    return stop(FaultKind::syntax, offset,
                quoted(stretch) + at_byte(offset) +
                    " is not JSON; leave the field out or send null");
  }
  const bool digit = !bare.empty() && bare.front() >= '0' && bare.front() <= '9';
  return stop(FaultKind::syntax, offset,
              quoted(stretch) + at_byte(offset) +
                  (digit ? " is no JSON number" : " is no JSON value"));
}

Token Reader::stop_in_index(int code) {
  if (code == simdjson::EMPTY) {
    return stop(FaultKind::syntax, 0, "the payload is only white space");
  }
  if (code == simdjson::UTF8_ERROR ||
      !simdjson::validate_utf8(document_.data(), document_.size())) {
    const std::size_t offset = utf8_fault_offset(document_);
    return stop(FaultKind::utf8, offset,
                hex_byte(static_cast<unsigned char>(document_[offset])) + at_byte(offset) +
                    " is not UTF-8");
  }
  bool unclosed = false;
  const std::size_t offset = string_fault_offset(document_, unclosed);
  if (unclosed || static_cast<unsigned char>(document_[offset]) >= 0x20) {
    return stop(FaultKind::syntax, offset, "the string" + at_byte(offset) + " is not closed");
  }
  return stop(FaultKind::syntax, offset,
              "control character " + hex_byte(static_cast<unsigned char>(document_[offset])) +
                  at_byte(offset) + " in a string must be escaped");
}

} // namespace spate::json
