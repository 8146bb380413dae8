// Spate - what a device says about a command.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "actors/command_messages.hpp"
#include "engine/json/reader.hpp"

namespace spate::actors {

struct ParsedAnswer {
  CommandAnswer::Status status = CommandAnswer::Status::ok;
  std::string result; ///< One JSON value as text, at most kCommandResultBytesMax; empty: none.
  std::string reason; ///< UTF-8 without control characters, at most kCommandReasonBytesMax bytes.

  bool operator==(const ParsedAnswer&) const = default;
};

/// Reads the payload of an answer; there is none that it can not read.
///   {"status":"ok|failed|rejected","result":any,"reason":text} is taken apart;
///   any other JSON is the result of a command that went well;
///   what is no JSON is a text, and that text is the result.
/// `property` is MQTT 5's user property `status`: it goes before the payload's, and an object with
/// `result` and `reason` only is then taken apart, too. A result that is too large makes the answer
/// `failed`, with a reason that says so.
/// `payload` is followed by json::Reader::kPaddingBytes readable bytes.
[[nodiscard]] ParsedAnswer parse_answer(json::Reader& reader, std::string_view payload,
                                        std::optional<std::string_view> property = std::nullopt);
/// Of a dialect without a status: all of the payload is the result.
[[nodiscard]] ParsedAnswer parse_bare_answer(json::Reader& reader, std::string_view payload);

/// `text` as UTF-8 without control characters, cut to kCommandReasonBytesMax between characters.
[[nodiscard]] std::string clean_reason(std::string_view text);

} // namespace spate::actors
