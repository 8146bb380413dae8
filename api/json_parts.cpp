#include "api/json_parts.hpp"

#include <algorithm>
#include <variant>

namespace spate::api {

void write_errors(json::Writer& out, const std::vector<ProblemItem>& errors) {
  out.key("errors").begin_array();
  const std::size_t listed = std::min(errors.size(), kProblemItemsMax);
  for (std::size_t i = 0; i < listed; ++i) {
    const ProblemItem& item = errors[i];
    out.begin_object();
    if (item.index) {
      out.member("index", std::uint64_t{*item.index});
    }
    if (item.line) {
      out.member("line", std::uint64_t{*item.line});
    }
    if (!item.parameter.empty()) {
      out.member("parameter", item.parameter);
    }
    if (!item.pointer.empty()) {
      out.member("pointer", item.pointer);
    }
    out.member("code", item.code);
    out.member("detail", item.detail);
    out.end_object();
  }
  out.end_array();
}

void append_value(json::StringSink& out, const model::Value& value, bool numbers_as_text) {
  const auto quote = [&] {
    if (numbers_as_text) {
      out.Put('"');
    }
  };
  if (const auto* decimal = std::get_if<model::Decimal>(&value)) {
    quote();
    out.taken(model::write_text(out.room(model::kDecimalTextBytesMax), *decimal));
    quote();
  } else if (const auto* text = std::get_if<model::NumberText>(&value)) {
    quote();
    out.append(text->text);
    quote();
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    out.append(std::string_view(*flag ? "true" : "false"));
  } else {
    json::append_quoted(out, std::get<std::string_view>(value));
  }
}

http::Response json_response() {
  http::Response response;
  response.content_type = "application/json";
  return response;
}

} // namespace spate::api
