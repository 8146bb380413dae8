// Reads a document with Reader and with nlohmann's parser, and says where they differ.
#pragma once

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "engine/json/reader.hpp"
#include "engine/json/utf8.hpp"

namespace spate::json::test {

/// A document as it lies in a buffer, with what could be mistaken for more of it in the padding.
class Padded {
public:
  explicit Padded(std::string_view text)
      : size_(text.size()), bytes_(new char[text.size() + Reader::kPaddingBytes]) {
    constexpr std::string_view kNoise = "9\"}],:e5\\1";
    for (std::size_t i = 0; i < Reader::kPaddingBytes; ++i) {
      bytes_[size_ + i] = kNoise[i % kNoise.size()];
    }
    if (size_ != 0) {
      std::memcpy(bytes_.get(), text.data(), size_);
    }
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }

private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

/// The tokens as text: `{ "a": 1 }` gives `{k1:a,n1,}`. Empty if the document is refused.
inline std::string tokens(Reader& reader, std::string_view document) {
  const Padded padded(document);
  std::string out;
  for (Token token = reader.open(padded.view());; token = reader.next()) {
    switch (token) {
    case Token::object_begin:
      out += '{';
      break;
    case Token::object_end:
      out += "},";
      break;
    case Token::array_begin:
      out += '[';
      break;
    case Token::array_end:
      out += "],";
      break;
    case Token::key:
      out.append("k").append(std::to_string(reader.text().size())).append(":");
      out.append(reader.text()).append(",");
      break;
    case Token::string:
      out.append("s").append(std::to_string(reader.text().size())).append(":");
      out.append(reader.text()).append(",");
      break;
    case Token::number:
      out.append("n").append(reader.number().text).append(",");
      break;
    case Token::true_value:
      out += "t,";
      break;
    case Token::false_value:
      out += "f,";
      break;
    case Token::null_value:
      out += "0,";
      break;
    case Token::end:
      return out;
    case Token::fault:
      return {};
    }
  }
}

/// The same from nlohmann's event interface.
class Events : public nlohmann::json_sax<nlohmann::json> {
public:
  std::string out;
  bool overflow = false;
  std::size_t depth = 0;
  std::size_t depth_max = 0;

  bool null() override { return add("0,"); }
  bool boolean(bool value) override { return add(value ? "t," : "f,"); }
  bool number_integer(number_integer_t value) override {
    return add("n" + std::to_string(value) + ",");
  }
  bool number_unsigned(number_unsigned_t value) override {
    return add("n" + std::to_string(value) + ",");
  }
  bool number_float(number_float_t, const string_t& text) override { return add("n" + text + ","); }
  bool string(string_t& text) override {
    return add("s" + std::to_string(text.size()) + ":" + text + ",");
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return enter("{"); }
  bool start_array(std::size_t) override { return enter("["); }
  bool key(string_t& text) override {
    return add("k" + std::to_string(text.size()) + ":" + text + ",");
  }
  bool end_object() override { return leave("},"); }
  bool end_array() override { return leave("],"); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) override {
    overflow = e.id == 406;
    return false;
  }

private:
  bool add(const std::string& text) {
    out += text;
    return true;
  }
  bool enter(const char* text) {
    depth_max = std::max(depth_max, ++depth);
    return add(text);
  }
  bool leave(const char* text) {
    --depth;
    return add(text);
  }
};

/// Empty if both agree. Known differences, which are not reported: nlohmann skips a byte order
/// mark, has no depth limit, and refuses numbers beyond a double (here the parser above decides on
/// those); `-0` and integers of other spellings do not exist, but nlohmann gives `-0` as 0.
inline std::string difference(Reader& reader, std::string_view document) {
  const std::string ours = tokens(reader, document);
  Events events;
  const bool theirs = nlohmann::json::sax_parse(document.begin(), document.end(), &events);
  if (document.starts_with("\xef\xbb\xbf") || events.overflow ||
      reader.fault_kind() == FaultKind::depth ||
      (ours.empty() && document.find('\0') != document.npos)) {
    return {};
  }
  if (!ours.empty() != theirs) {
    return theirs ? "refused, but valid: " + reader.fault_detail() : "taken, but not valid";
  }
  if (theirs && ours != events.out && ours.find("n-0,") == std::string::npos) {
    return "other tokens: " + ours + " and " + events.out;
  }
  return {};
}

} // namespace spate::json::test
