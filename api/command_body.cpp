#include "api/command_body.hpp"

#include <array>
#include <initializer_list>
#include <utility>
#include <vector>

#include "engine/json/raw.hpp"

namespace spate::api {

namespace {

using json::Token;

enum Member : std::uint8_t { name, args, priority, if_offline, ttl_ms, complete_on, kMembers };
constexpr std::array<std::string_view, kMembers> kNames = {"name",       "args",   "priority",
                                                           "if_offline", "ttl_ms", "complete_on"};

std::size_t member_of(std::string_view key) noexcept {
  std::size_t at = 0;
  while (at < kMembers && kNames[at] != key) {
    ++at;
  }
  return at;
}

/// A key from outside, short enough to be shown, as a JSON Pointer (RFC 6901).
std::string pointer_of(std::string_view key) {
  std::string out = "/";
  for (const char c : key.substr(0, 64)) {
    if (c == '~' || c == '/') {
      out.append(c == '~' ? "~0" : "~1");
    } else {
      out.push_back(c);
    }
  }
  return out;
}

class BodyReader {
public:
  BodyReader(json::Reader& reader, std::string_view body, CommandBody& out)
      : reader_(reader), body_(body), out_(out) {}

  std::optional<Problem> read() {
    Token token = reader_.open(body_);
    if (token == Token::fault) {
      return unreadable();
    }
    if (token != Token::object_begin) {
      return Problem{
          "invalid-body", "The body is no JSON object; send {\"name\":\"...\"}.", {}, {}};
    }
    while ((token = reader_.next()) == Token::key) {
      if (!read_member()) {
        return unreadable();
      }
    }
    if (token == Token::fault || reader_.next() != Token::end) {
      return unreadable();
    }
    if (!seen_[name]) {
      refuse("/name", "name is missing.");
    }
    if (faults_.empty()) {
      return std::nullopt;
    }
    std::string detail = faults_.front().detail;
    return Problem{"validation-failed", std::move(detail), std::move(faults_), {}};
  }

private:
  Problem unreadable() const {
    return {"invalid-body",
            "The body is no JSON that is taken here: " + reader_.fault_detail() + ".",
            {},
            {}};
  }

  void refuse(std::string pointer, std::string detail) {
    if (faults_.size() < kProblemItemsMax) { // The first faults tell enough.
      faults_.push_back({{}, {}, {}, "validation-failed", std::move(detail), std::move(pointer)});
    }
  }

  /// False after a fault of the document.
  bool read_member() {
    const std::string key(reader_.text().substr(0, 65)); // Longer ones are none of ours.
    const std::size_t member = member_of(key);
    const Token first = reader_.next();
    if (first == Token::fault) {
      return false;
    }
    if (member == kMembers || std::exchange(seen_[member], true)) {
      refuse(pointer_of(key), member == kMembers
                                  ? "'" + key.substr(0, 64) +
                                        "' is no member of a command; there are name, args, "
                                        "priority, if_offline, ttl_ms and complete_on."
                                  : key + " is given more than once.");
      return json::take_raw(reader_, first, body_).has_value();
    }
    switch (member) {
    case name:
      return read_name(first);
    case args:
      return read_args(first);
    case ttl_ms:
      return read_ttl(first);
    case priority:
      return read_choice(first, priority,
                         {model::CommandPriority::normal, model::CommandPriority::urgent},
                         out_.priority);
    case if_offline:
      return read_choice(first, if_offline, {model::IfOffline::fail, model::IfOffline::queue},
                         out_.if_offline);
    default:
      return read_choice(first, complete_on,
                         {model::CompleteOn::response, model::CompleteOn::delivery},
                         out_.complete_on);
    }
  }

  bool read_name(Token first) {
    if (first == Token::string && model::is_command_name(reader_.text())) {
      out_.name = reader_.text();
      return true;
    }
    refuse("/name", "name must be 1 to 64 of the characters A-Z a-z 0-9 . _ -");
    return json::take_raw(reader_, first, body_).has_value();
  }

  bool read_args(Token first) {
    const auto raw = json::take_raw(reader_, first, body_);
    if (!raw) {
      return false;
    }
    if (raw->size() > model::kCommandArgsBytesMax) {
      refuse("/args", "args has " + std::to_string(raw->size()) + " bytes; the limit is " +
                          std::to_string(model::kCommandArgsBytesMax) + ".");
    }
    out_.args = *raw;
    return true;
  }

  bool read_ttl(Token first) {
    if (first == Token::number) {
      const json::Number& number = reader_.number();
      if (number.plain && number.scale == 0 && !number.negative && number.mantissa >= 1 &&
          number.mantissa <= static_cast<std::uint64_t>(model::kCommandTtlMsMax)) {
        out_.ttl_ms = static_cast<std::int64_t>(number.mantissa);
        return true;
      }
    }
    refuse("/ttl_ms", "ttl_ms must be a whole number of milliseconds from 1 to " +
                          std::to_string(model::kCommandTtlMsMax) + " (30 days).");
    return json::take_raw(reader_, first, body_).has_value();
  }

  template <class Choice>
  bool read_choice(Token first, Member member, std::initializer_list<Choice> choices,
                   Choice& chosen) {
    std::string words;
    for (const Choice choice : choices) {
      if (first == Token::string && reader_.text() == model::name_of(choice)) {
        chosen = choice;
        return true;
      }
      words.append(words.empty() ? "" : " or ").append(model::name_of(choice));
    }
    refuse("/" + std::string(kNames[member]),
           std::string(kNames[member]) + " must be " + words + ".");
    return json::take_raw(reader_, first, body_).has_value();
  }

  json::Reader& reader_;
  const std::string_view body_;
  CommandBody& out_;
  std::array<bool, kMembers> seen_{};
  std::vector<ProblemItem> faults_;
};

} // namespace

std::optional<Problem> read_command_body(json::Reader& reader, std::string_view body,
                                         CommandBody& out) {
  out = {};
  return BodyReader(reader, body, out).read();
}

} // namespace spate::api
