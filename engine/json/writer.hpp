// Spate - JSON out: a thin writer for answers, on RapidJSON, which only this folder includes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include <rapidjson/writer.h>

#include "engine/json/string_sink.hpp"

namespace spate::json {

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
    return written(rapidjson::kStringType, [text](StringSink& sink) { append_quoted(sink, text); });
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
    return written(rapidjson::kNumberType, [text](StringSink& sink) { sink.append(text); });
  }
  /// `text` is one whole JSON value and appears as it is.
  Writer& raw(std::string_view text) {
    return raw([text](StringSink& sink) { sink.append(text); });
  }
  /// `write(StringSink&)` appends one whole JSON value.
  template <class Write, class = std::enable_if_t<std::is_invocable_v<Write, StringSink&>>>
  Writer& raw(Write&& write) {
    return written(rapidjson::kObjectType, write);
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

  /// Makes room for so many bytes more at once. Only a hint.
  void reserve(std::size_t bytes) { sink_.reserve(bytes); }
  /// Bytes that `out` would hold if the document ended here.
  [[nodiscard]] std::size_t size() const noexcept { return sink_.size(); }

private:
  void next_document() {
    if (writer_.IsComplete()) {
      sink_.sync();
      writer_.Reset(sink_);
    }
  }
  /// RapidJSON writes what goes before a value, `write` the value.
  template <class Write>
  Writer& written(rapidjson::Type type, Write&& write) {
    next_document();
    writer_.RawValue("", 0, type);
    write(sink_);
    if (writer_.IsComplete()) {
      sink_.Flush();
    }
    return *this;
  }

  StringSink sink_;
  rapidjson::Writer<StringSink> writer_;
};

} // namespace spate::json
