#include "cli/json_object.hpp"

#include <algorithm>
#include <charconv>

#include "engine/json/raw.hpp"

namespace spate::cli {

namespace {

using json::Token;

/// A copy with the bytes behind it that the reader asks for.
class Document {
public:
  explicit Document(std::string_view text) : padded_(text), size_(text.size()) {
    padded_.append(json::Reader::kPaddingBytes, ' ');
  }
  [[nodiscard]] std::string_view text() const noexcept {
    return std::string_view(padded_).substr(0, size_);
  }

private:
  std::string padded_;
  std::size_t size_;
};

} // namespace

Result<JsonObject> JsonObject::parse(std::string_view text) {
  const Document document(text);
  json::Reader reader;
  JsonObject object;
  Token token = reader.open(document.text());
  if (token != Token::object_begin) {
    return fail(Errc::malformed_payload, "it is no JSON object");
  }
  while ((token = reader.next()) == Token::key) {
    Member member{std::string(reader.text()), {}, {}};
    const Token first = reader.next();
    if (first == Token::string) {
      member.text = reader.text();
    }
    const auto raw = json::take_raw(reader, first, document.text());
    if (!raw) {
      return fail(Errc::malformed_payload, reader.fault_detail());
    }
    member.raw = *raw;
    object.members_.push_back(std::move(member));
  }
  if (token == Token::fault || reader.next() != Token::end) {
    return fail(Errc::malformed_payload, reader.fault_detail());
  }
  return object;
}

const JsonObject::Member* JsonObject::find(std::string_view name) const noexcept {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [&](const Member& member) { return member.name == name; });
  return found == members_.end() ? nullptr : &*found;
}

std::string JsonObject::raw(std::string_view name) const {
  const Member* member = find(name);
  return member == nullptr || member->raw == "null" ? std::string() : member->raw;
}

std::string JsonObject::text(std::string_view name) const {
  const Member* member = find(name);
  return member == nullptr ? std::string() : member->text;
}

std::optional<std::int64_t> JsonObject::integer(std::string_view name) const {
  const std::string digits = raw(name);
  std::int64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, value);
  return read.ec == std::errc{} && read.ptr == end ? std::optional(value) : std::nullopt;
}

std::vector<std::string> JsonObject::elements(std::string_view name) const {
  std::vector<std::string> out;
  const Document document(raw(name));
  json::Reader reader;
  if (reader.open(document.text()) != Token::array_begin) {
    return out;
  }
  for (Token token = reader.next(); token != Token::array_end; token = reader.next()) {
    const auto element = json::take_raw(reader, token, document.text());
    if (!element) {
      break;
    }
    out.emplace_back(*element);
  }
  return out;
}

std::optional<std::string> json_fault(std::string_view text) {
  const Document document(text);
  json::Reader reader;
  Token token = reader.open(document.text());
  while (token != Token::end && token != Token::fault) {
    token = reader.next();
  }
  return token == Token::end ? std::nullopt : std::optional(reader.fault_detail());
}

} // namespace spate::cli
