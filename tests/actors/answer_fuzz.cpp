// Any bytes as the answer of a device: what comes of them is one JSON value and a short clean text.
// The first byte chooses the user property `status`, and whether the dialect has one.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "actors/command_answer.hpp"
#include "engine/base/utf8.hpp"

namespace {

using namespace spate;

void check(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "%s\n", what);
    std::abort();
  }
}

void check_json(const std::string& text) {
  std::string padded = text;
  padded.append(json::Reader::kPaddingBytes, '\0');
  json::Reader reader;
  auto token = reader.open(std::string_view(padded).substr(0, text.size()));
  while (token != json::Token::end && token != json::Token::fault) {
    token = reader.next();
  }
  check(token == json::Token::end, "a result that is no JSON");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  std::string padded(reinterpret_cast<const char*>(data) + 1, size - 1);
  padded.append(json::Reader::kPaddingBytes, '"');
  const std::string_view payload = std::string_view(padded).substr(0, size - 1);
  static json::Reader reader;
  std::optional<std::string_view> property;
  if ((data[0] & 3) == 2) {
    property = "failed";
  } else if ((data[0] & 3) == 3) {
    property = "odd";
  }
  const actors::ParsedAnswer answer = (data[0] & 3) == 0
                                          ? actors::parse_bare_answer(reader, payload)
                                          : actors::parse_answer(reader, payload, property);
  check(answer.result.size() <= model::kCommandResultBytesMax, "a result that is too large");
  if (!answer.result.empty()) {
    check_json(answer.result);
  }
  check(answer.reason.size() <= model::kCommandReasonBytesMax, "a reason that is too long");
  check(is_utf8(answer.reason), "a reason that is no UTF-8");
  for (const char c : answer.reason) {
    check(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "a reason with control characters");
  }
  if (property == "failed") {
    check(answer.status == actors::CommandAnswer::Status::failed, "the property was passed over");
  }
  return 0;
}
