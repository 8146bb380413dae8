// Spate - fuzzes the body of a command and the Prefer field.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/command_body.hpp"
#include "api/prefer.hpp"

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

bool is_json(std::string_view text) {
  using namespace spate;
  std::string padded(text);
  padded.append(json::Reader::kPaddingBytes, ' ');
  json::Reader reader;
  json::Token token = reader.open(std::string_view(padded).substr(0, text.size()));
  while (token != json::Token::end && token != json::Token::fault) {
    token = reader.next();
  }
  return token == json::Token::end;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spate;
  using namespace spate::api;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string padded(text);
  padded.append(json::Reader::kPaddingBytes, '"');
  static json::Reader reader;
  CommandBody body;
  if (!read_command_body(reader, std::string_view(padded).substr(0, size), body)) {
    require(is_json(text));
    require(model::is_command_name(body.name));
    require(body.args.empty() || is_json(body.args));
    require(!body.ttl_ms || (*body.ttl_ms > 0 && *body.ttl_ms <= model::kCommandTtlMsMax));
  }
  if (const auto prefer = parse_prefer(text)) {
    require(prefer->wait_ms() >= 0 && prefer->wait_ms() <= kWaitSMax * 1000);
  }
  return 0;
}
