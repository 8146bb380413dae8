// Spate - the string that JSON is appended to, and strings as JSON quotes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace spate::json {

/// What JSON is written to, by RapidJSON and past it: a std::string grown in steps and cut to size
/// by Flush(), so that a character costs a store and no call. No thread of its own; `out` is
/// borrowed.
class StringSink {
public:
  using Ch = char;
  explicit StringSink(std::string& out) noexcept : out_(&out) { sync(); }

  void Put(char c) {
    if (at_ == end_) {
      grow(1);
    }
    *at_++ = c;
  }
  void put_unsafe(char c) noexcept { *at_++ = c; }
  void reserve(std::size_t bytes) {
    if (static_cast<std::size_t>(end_ - at_) < bytes) {
      grow(bytes);
    }
  }
  /// Where `bytes` may be written; taken() says how far they were.
  [[nodiscard]] char* room(std::size_t bytes) {
    reserve(bytes);
    return at_;
  }
  void taken(char* end) noexcept { at_ = end; }
  void append(std::string_view text) {
    reserve(text.size());
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void append(std::int64_t value);
  void Flush() {
    out_->resize(static_cast<std::size_t>(at_ - out_->data()));
    sync();
  }
  [[nodiscard]] std::size_t size() const noexcept {
    return static_cast<std::size_t>(at_ - out_->data());
  }
  /// Goes on behind what the string holds now.
  void sync() noexcept { at_ = end_ = out_->data() + out_->size(); }

private:
  void grow(std::size_t bytes) {
    const auto used = static_cast<std::size_t>(at_ - out_->data());
    out_->resize(used + bytes + used / 2 + 256);
    at_ = out_->data() + used;
    end_ = out_->data() + out_->size();
  }

  std::string* out_;
  char* at_ = nullptr;
  char* end_ = nullptr;
};

/// `text` in quotes. Escapes what JSON asks for; bytes that are no UTF-8 become U+FFFD.
void append_quoted(StringSink& sink, std::string_view text);

} // namespace spate::json
