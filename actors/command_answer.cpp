#include "actors/command_answer.hpp"

#include "engine/json/utf8.hpp"
#include "engine/json/writer.hpp"
#include "engine/model/command.hpp"

namespace spate::actors {

namespace {

using json::Token;
using Status = CommandAnswer::Status;

std::optional<Status> status_of(std::string_view text) {
  if (text == "ok") {
    return Status::ok;
  }
  if (text == "failed") {
    return Status::failed;
  }
  if (text == "rejected") {
    return Status::rejected;
  }
  return std::nullopt;
}

constexpr std::string_view kSpace = " \n\r\t";

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kSpace) + 1 - first);
}

/// The members of a document that is an object and may be an envelope.
struct Members {
  std::optional<Status> status;
  std::string_view result; ///< Raw JSON.
  std::optional<std::string> reason;
  bool others = false; ///< It has more than status, result and reason.
};

/// From the first token of a member's value to what follows it.
Token skip_value(json::Reader& reader, Token token) {
  while (reader.depth() > 1 && token != Token::fault) {
    token = reader.next();
  }
  return token == Token::fault ? token : reader.next();
}

/// Walks a whole document. False if it is no JSON.
bool read(json::Reader& reader, std::string_view document, Members& members) {
  Token token = reader.open(document);
  if (token != Token::object_begin) {
    while (token != Token::end && token != Token::fault) {
      token = reader.next();
    }
    members.others = true;
    return token == Token::end;
  }
  token = reader.next();
  while (token == Token::key) {
    const std::string key(reader.text());
    token = reader.next();
    const std::size_t begin = reader.offset();
    const Token kind = token;
    const std::string text = kind == Token::string ? std::string(reader.text()) : std::string();
    token = skip_value(reader, token);
    if (token == Token::fault) {
      return false;
    }
    std::string_view raw = trim(document.substr(begin, reader.offset() - begin));
    if (token == Token::key && raw.ends_with(',')) {
      raw = trim(raw.substr(0, raw.size() - 1));
    }
    if (key == "status") {
      members.status = kind == Token::string ? status_of(text) : std::nullopt;
      members.others = members.others || !members.status;
    } else if (key == "result") {
      members.result = raw;
    } else if (key == "reason") {
      members.reason = kind == Token::string ? text : std::string(raw);
      if (kind == Token::null_value) {
        members.reason.reset();
      }
    } else {
      members.others = true;
    }
  }
  return token == Token::object_end && reader.next() == Token::end;
}

/// The result, or why it can not be kept.
void take_result(ParsedAnswer& answer, std::string_view raw) {
  if (raw.size() <= model::kCommandResultBytesMax) {
    answer.result = raw;
    return;
  }
  answer.status = Status::failed;
  answer.reason = "the device's result has " + std::to_string(raw.size()) +
                  " bytes of JSON; the limit is " + std::to_string(model::kCommandResultBytesMax);
}

void take_text(ParsedAnswer& answer, std::string_view text) {
  if (text.size() > model::kCommandResultBytesMax) {
    take_result(answer, text);
    return;
  }
  std::string quoted;
  json::Writer(quoted).string(text);
  take_result(answer, quoted);
}

} // namespace

std::string clean_reason(std::string_view text) {
  std::string clean;
  // No character is made smaller, so what is cut here would be cut below.
  json::append_utf8_lossy(clean, text.substr(0, model::kCommandReasonBytesMax + 4));
  std::size_t end = clean.size();
  if (end > model::kCommandReasonBytesMax) {
    end = model::kCommandReasonBytesMax;
    while (end > 0 && (static_cast<unsigned char>(clean[end]) & 0xc0) == 0x80) {
      --end;
    }
  }
  clean.resize(end);
  for (char& c : clean) {
    const auto byte = static_cast<unsigned char>(c);
    c = byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  return clean;
}

ParsedAnswer parse_answer(json::Reader& reader, std::string_view payload,
                          std::optional<std::string_view> property) {
  ParsedAnswer answer;
  const std::optional<Status> told = property ? status_of(*property) : std::nullopt;
  answer.status = told.value_or(Status::ok);
  if (payload.empty()) {
    return answer;
  }
  Members members;
  if (!read(reader, payload, members)) {
    take_text(answer, payload);
    return answer;
  }
  if (!members.status && (!told || members.others)) {
    take_result(answer, trim(payload));
    return answer;
  }
  answer.status = told ? *told : *members.status;
  answer.reason = clean_reason(members.reason.value_or(std::string()));
  take_result(answer, members.result);
  return answer;
}

ParsedAnswer parse_bare_answer(json::Reader& reader, std::string_view payload) {
  ParsedAnswer answer;
  Members unused;
  if (payload.empty()) {
    return answer;
  }
  if (read(reader, payload, unused)) {
    take_result(answer, trim(payload));
  } else {
    take_text(answer, payload);
  }
  return answer;
}

} // namespace spate::actors
