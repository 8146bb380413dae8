#include "loadgen/base/json_text.hpp"

#include <doctest/doctest.h>

using namespace spate;
using namespace spate::loadgen;

namespace {

bool reads(std::string_view text) {
  std::vector<JsonSpan> spans;
  return json_members(text, spans).has_value();
}

std::string flat(std::string_view text) {
  std::string out;
  const auto add = [&out](const JsonField& field) {
    out.append(field.path).append("=").append(field.value).append(";");
  };
  const auto read = json_flatten(text, add);
  return read ? out : "error: " + read.error().detail;
}

std::uint64_t hash(std::string_view text, std::string_view skip = {}) {
  return values_hash(text, skip).value();
}

} // namespace

TEST_CASE("what is not JSON is refused wherever it breaks") {
  for (const std::string_view bad :
       {"",      " ",        "1",          "\"a\"",       "{",       "[",
        "{]",    "[}",       "{\"a\"}",    "{\"a\":}",    "{a:1}",   "{\"a\":1,}",
        "[1,]",  "[1 2]",    "{\"a\":1}x", "{\"a\":1}{}", "[01]",    "[+1]",
        "[1.]",  "[.5]",     "[1e]",       "[-]",         "[tru]",   "[nul]",
        "[\"a]", "[\"\\\"]", "[NaN]",      "{\"a\":1]",   "[\"\n\"]"}) {
    CAPTURE(bad);
    CHECK_FALSE(reads(bad));
  }
  CHECK_FALSE(reads(std::string_view("[1\0]", 4)));
  CHECK_FALSE(reads(std::string_view("{}\0", 3)));
}

TEST_CASE("deep nesting is refused, not followed") {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']');
  };
  CHECK(reads(nested(kJsonDepthMax)));
  CHECK_FALSE(reads(nested(kJsonDepthMax + 1)));
  CHECK_FALSE(reads(nested(1'000'000)));
  CHECK(flat(nested(kJsonDepthMax)).empty());
}

TEST_CASE("wrong escapes are refused, right ones are understood") {
  std::string out;
  for (const std::string_view bad :
       {"\\", "\\x", "\\u12", "\\u12g4", "\\ud800", "\\ud800\\u0041", "\\udc00", "\\ud800x"}) {
    CAPTURE(bad);
    CHECK_FALSE(json_unescape(bad, out));
  }
  out.clear();
  REQUIRE(json_unescape("a\\n\\\"\\\\\\/\\u00e9\\u20ac\\ud83d\\ude00", out));
  CHECK(out == "a\n\"\\/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST_CASE("values keep the text that they were written with") {
  CHECK(flat(R"( {"a" : 1.50 , "b":{"c":[true,"x\ty",-0.0e+5]}, "n":null, "e":{}, "l":[]} )") ==
        "a=1.50;b.c.0=true;b.c.1=x\ty;b.c.2=-0.0e+5;");
}

TEST_CASE("the hash sees the text of every value and not the order of the fields") {
  CHECK(hash(R"({"a":1,"b":"x"})") == hash(R"({ "b" : "x", "a" : 1 })"));
  CHECK(hash(R"({"a":{"b":1}})") == hash(R"({"a.b":1})")); // As the API names nested fields.
  CHECK(hash(R"({"a":1})") != hash(R"({"a":1.0})"));
  CHECK(hash(R"({"a":1})") != hash(R"({"a":"1"})"));
  CHECK(hash(R"({"a":true})") != hash(R"({"a":"true"})"));
  CHECK(hash(R"({"a":1,"b":2})") != hash(R"({"a":2,"b":1})"));
  CHECK(hash(R"({"a":1,"b":1})") != hash(R"({"a":1})"));
  CHECK(hash(R"({"a":"\u0041"})") == hash(R"({"a":"A"})"));
  CHECK(hash(R"({"ts":5,"a":1})", "ts") == hash(R"({"a":1})"));
}
