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

void write_value(json::Writer& out, const model::Value& value, bool numbers_as_text,
                 std::string& scratch) {
  const auto number = [&](std::string_view text) {
    if (numbers_as_text) {
      out.string(text);
    } else {
      out.number_text(text);
    }
  };
  if (const auto* decimal = std::get_if<model::Decimal>(&value)) {
    scratch.clear();
    model::append_text(scratch, *decimal);
    number(scratch);
  } else if (const auto* text = std::get_if<model::NumberText>(&value)) {
    number(text->text);
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    out.boolean(*flag);
  } else {
    out.string(std::get<std::string_view>(value));
  }
}

http::Response json_response() {
  http::Response response;
  response.content_type = "application/json";
  return response;
}

} // namespace spate::api
