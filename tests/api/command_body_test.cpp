#include <string>

#include <doctest/doctest.h>

#include "api/command_body.hpp"

using namespace spate;
using namespace spate::api;

namespace {

struct Read {
  std::string text; ///< With the padding that the reader asks for.
  CommandBody body;
  std::optional<Problem> problem;

  explicit Read(std::string_view from) : text(from) {
    const std::size_t size = text.size();
    text.append(json::Reader::kPaddingBytes, '}');
    json::Reader reader;
    problem = read_command_body(reader, std::string_view(text).substr(0, size), body);
  }
  [[nodiscard]] std::string code() const { return problem ? std::string(problem->code) : ""; }
  [[nodiscard]] std::string pointers() const {
    std::string all;
    for (const ProblemItem& item : problem->errors) {
      all.append(all.empty() ? "" : " ").append(item.pointer);
      CHECK(item.code == "validation-failed");
      CHECK_FALSE(item.detail.empty());
    }
    return all;
  }
};

} // namespace

TEST_CASE("what is no JSON object can not be read") {
  for (const auto text :
       {"", " ", "x", "[]", "null", "\"a\"", "{\"name\":\"a\"", "{\"name\":\"a\"}}",
        "{\"name\":\"a\"} x", "{\"name\" \"a\"}", "{\"name\":\"a\",}", "{\"args\":[1,}",
        "{\"args\":NaN,\"name\":\"a\"}", "{\"args\":01,\"name\":\"a\"}",
        "{\"name\":\"a\",\"args\":\"\xff\"}", "{\"nope\":{\"a\":tru},\"name\":\"a\"}",
        "{\"name\":\"a\",\"ttl_ms\":1.}"}) {
    const std::string asked = text;
    CAPTURE(asked);
    CHECK(Read(asked).code() == "invalid-body");
  }
  const std::string deep =
      "{\"name\":\"a\",\"args\":" + std::string(64, '[') + std::string(64, ']') + "}";
  CHECK(Read(deep).code() == "invalid-body");
}

TEST_CASE("all faults of a body are told at once, each with its place") {
  const Read read(R"({"name":"a b","args":1,"priority":"high","if_offline":true,"ttl_ms":0,)"
                  R"("complete_on":"never","nope":{"x":[1]},"a/~b":1,"args":2})");
  CHECK(read.code() == "validation-failed");
  CHECK(read.pointers() == "/name /priority /if_offline /ttl_ms /complete_on /nope /a~1~0b /args");
  CHECK(Read("{}").pointers() == "/name");
}

TEST_CASE("names are topic levels of at most 64 plain characters") {
  for (const std::string& name :
       {std::string(""), std::string(65, 'a'), std::string("a/b"), std::string("+"),
        std::string("#"), std::string("a b"), std::string("\\u0000"), std::string("\u00fc")}) {
    CAPTURE(name);
    CHECK(Read("{\"name\":\"" + name + "\"}").pointers() == "/name");
  }
  CHECK(Read(R"({"name":7})").pointers() == "/name");
  CHECK(Read(R"({"name":["a"]})").pointers() == "/name");
  CHECK(Read("{\"name\":\"" + std::string(64, 'a') + "\"}").body.name == std::string(64, 'a'));
  CHECK(Read(R"({"name":"\u0061b"})").body.name == "ab");
}

TEST_CASE("a time to live is a whole number of milliseconds up to 30 days") {
  for (const auto ttl : {"0", "-1", "2592000001", "1.0", "1e3", "\"60\"", "null", "[1]",
                         "99999999999999999999999", "true"}) {
    const std::string asked = ttl;
    CAPTURE(asked);
    CHECK(Read("{\"name\":\"a\",\"ttl_ms\":" + asked + "}").pointers() == "/ttl_ms");
  }
  CHECK(Read(R"({"name":"a","ttl_ms":2592000000})").body.ttl_ms == 2'592'000'000);
  CHECK_FALSE(Read(R"({"name":"a"})").body.ttl_ms);
}

TEST_CASE("arguments are any JSON and keep their text") {
  for (const auto args : {"null", "true", "0", "-0.0", "1E+2", "12345678901234567890123.450",
                          "1e999", "\"\"", R"("a\"]}\\")", "[]", "{}", R"([ 1 , {"a" : "}"} ])",
                          R"({"a":{"b":[null]},"a":1})", "\"\u00fc\""}) {
    const std::string asked = args;
    CAPTURE(asked);
    for (const auto& [before, after] :
         {std::pair<std::string, std::string>{R"({"name":"a","args":)", "}"},
          {R"({"args": )", " \n,\"name\":\"a\"}"},
          {R"({"args":)", ",\"name\":\"a\"} \n"},
          {R"({"name":"a", "args"	: )", "\r\n}"}}) {
      const Read read(before + asked + after);
      CHECK(read.code() == "");
      CHECK(read.body.args == asked);
    }
  }
  CHECK(Read(R"({"name":"a"})").body.args.empty());
}

TEST_CASE("arguments of 64 KiB are taken, and not a byte more") {
  const std::string largest = "\"" + std::string(65'534, 'x') + "\"";
  CHECK(Read("{\"name\":\"a\",\"args\":" + largest + "}").body.args.size() == 65'536);
  CHECK(Read("{\"name\":\"a\",\"args\":" + largest + "}").code() == "");
  CHECK(Read("{\"name\":\"a\",\"args\":[" + largest + "]}").pointers() == "/args");
}
