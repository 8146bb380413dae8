// Spate - JSON out: a thin writer for answers, the only place that includes RapidJSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <rapidjson/writer.h>

#include "engine/json/utf8.hpp"

namespace spate::json {

/// The stream that RapidJSON writes to: a std::string grown in steps and cut to size by Flush(), so
/// that a character costs a store and no call.
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
  void append(std::string_view text) {
    reserve(text.size());
    text.copy(at_, text.size());
    at_ += text.size();
  }
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

/// RapidJSON finds these two by argument-dependent lookup.
inline void PutReserve(StringSink& sink, std::size_t bytes) {
  sink.reserve(bytes);
}
inline void PutUnsafe(StringSink& sink, char c) noexcept {
  sink.put_unsafe(c);
}

/// Appends one JSON document to a string.
///
/// Flow:   api -> Writer -> body of an answer
/// Thread: none of its own; the caller's.
/// Rules:  what is written between two calls must be a valid place for it (a key before each member
/// of an
///         object): that is the caller's promise and an assert. `out` belongs to the writer until
///         the outermost value is closed; then it holds exactly what was there before plus the
///         document, and a line end may be appended to it and the next document be written.
class Writer {
public:
  /// `out` is borrowed and outlives the writer.
  explicit Writer(std::string& out) : sink_(out), writer_(sink_) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Writer& begin_object() {
    next_document();
    writer_.StartObject();
    return *this;
  }
  Writer& end_object() {
    writer_.EndObject();
    return *this;
  }
  Writer& begin_array() {
    next_document();
    writer_.StartArray();
    return *this;
  }
  Writer& end_array() {
    writer_.EndArray();
    return *this;
  }
  Writer& key(std::string_view name) { return string(name); }
  /// Escapes what JSON asks for; bytes that are no UTF-8 become U+FFFD.
  Writer& string(std::string_view text) {
    next_document();
    if (is_ascii(text) || is_utf8(text)) {
      put_string(text);
    } else {
      std::string clean;
      append_utf8_lossy(clean, text);
      put_string(clean);
    }
    return *this;
  }
  Writer& integer(std::int64_t value) {
    next_document();
    writer_.Int64(value);
    return *this;
  }
  Writer& unsigned_integer(std::uint64_t value) {
    next_document();
    writer_.Uint64(value);
    return *this;
  }
  /// `text` is a number in JSON's grammar and appears as it is.
  Writer& number_text(std::string_view text) {
    next_document();
    writer_.RawValue(text.data(), text.size(), rapidjson::kNumberType);
    return *this;
  }
  /// `text` is one whole JSON value and appears as it is.
  Writer& raw(std::string_view text) {
    next_document();
    writer_.RawValue(text.data(), text.size(), rapidjson::kObjectType);
    return *this;
  }
  Writer& boolean(bool value) {
    next_document();
    writer_.Bool(value);
    return *this;
  }
  Writer& null() {
    next_document();
    writer_.Null();
    return *this;
  }

  /// Members in one call.
  Writer& member(std::string_view name, std::string_view text) { return key(name).string(text); }
  Writer& member(std::string_view name, const char* text) { return key(name).string(text); }
  Writer& member(std::string_view name, std::int64_t value) { return key(name).integer(value); }
  Writer& member(std::string_view name, std::uint64_t value) {
    return key(name).unsigned_integer(value);
  }
  Writer& member(std::string_view name, bool value) { return key(name).boolean(value); }

  /// Bytes that `out` would hold if the document ended here.
  [[nodiscard]] std::size_t size() const noexcept { return sink_.size(); }

private:
  void next_document() {
    if (writer_.IsComplete()) {
      sink_.sync();
      writer_.Reset(sink_);
    }
  }
  void put_string(std::string_view text) {
    writer_.String(text.empty() ? "" : text.data(), static_cast<rapidjson::SizeType>(text.size()));
  }
  static bool is_ascii(std::string_view text) noexcept {
    unsigned char seen = 0;
    for (const char c : text) {
      seen = static_cast<unsigned char>(seen | static_cast<unsigned char>(c));
    }
    return seen < 0x80;
  }

  StringSink sink_;
  rapidjson::Writer<StringSink> writer_;
};

} // namespace spate::json
