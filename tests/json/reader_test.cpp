#include "engine/json/reader.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/json/differential.hpp"

using namespace std::literals;
using namespace spate::json;
using namespace spate::json::test;

namespace {

std::string fault_of(std::string_view document) {
  Reader reader;
  CHECK(tokens(reader, document).empty());
  return reader.fault_detail();
}

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']');
}

} // namespace

TEST_CASE("what is not JSON is refused wherever it stands") {
  constexpr std::string_view kBad[] = {
      "",
      " ",
      "\n\t ",
      "{",
      "}",
      "[",
      "]",
      "{]",
      "[}",
      "{\"a\"}",
      "{\"a\":}",
      "{\"a\":1,}",
      "{,}",
      "{\"a\":1 \"b\":2}",
      "{\"a\" 1}",
      "{a:1}",
      "{'a':1}",
      "{1:2}",
      "{null:1}",
      "{\"a\":1}}",
      "{\"a\":1}]",
      "{\"a\":1},",
      "{\"a\":1}{}",
      "{\"a\"::1}",
      "{\"a\":1:2}",
      "[1,]",
      "[,1]",
      "[1 2]",
      "[1,,2]",
      "[1:2]",
      "1 2",
      "1,",
      ",1",
      ":",
      ",",
      "[1}",
      "{\"a\":[1}",
      "[{\"a\":1]",
      "[[]",
      "[]]",
      "01",
      "-01",
      "00",
      "1.",
      ".5",
      "-.5",
      "+1",
      "--1",
      "-",
      "1e",
      "1e+",
      "1.e5",
      "1.5e",
      "0x10",
      "1_000",
      "1a",
      "1.2.3",
      "1e5.5",
      "NaN",
      "-NaN",
      "Infinity",
      "-Infinity",
      "nan",
      "inf",
      "1\"a\"",
      "1[",
      "1{}",
      "tru",
      "truee",
      "True",
      "TRUE",
      "nul",
      "nulll",
      "None",
      "fals",
      "undefined",
      "t",
      "true\"x\"",
      "\"a\"b",
      "\"",
      "\"a",
      "\"a\"\"",
      "\"\\\"",
      "\"\\x\"",
      "\"\\u12\"",
      "\"\\u123g\"",
      "\"\\U0041\"",
      "\"\\ \"",
      "\"\\0\"",
      "\"\\ud800\"",
      "\"\\udc00\"",
      "\"\\ud800\\u0041\"",
      "\"\\ud800x\"",
      "\"\\ud800\\\"",
      "\"\\ud83d\\ud83d\"",
      "\"\\",
      "\"\\u",
      "\"\\u00e",
      "\"a\nb\"",
      "\"a\tb\"",
      "\"\x01\"",
      "{\"a\n\":1}",
      "\x0c[1]",
      "[1]\x0b",
      "[1]\x1a",
      "\xef\xbb\xbf{}",
      "/*c*/1",
      "1//c",
      "\\\"a\"",
      "{\"a\":1}\\",
      "[1]\"",
      "\"a\"\\\"b\"",
  };
  for (const std::string_view document : kBad) {
    CAPTURE(document);
    Reader reader;
    CHECK(tokens(reader, document).empty());
    CHECK(reader.fault_kind() == FaultKind::syntax);
    CHECK_FALSE(reader.fault_detail().empty());
    CHECK(difference(reader, document) == "");
  }
  const std::string_view nul("[1]\0", 4);
  Reader reader;
  CHECK(tokens(reader, nul).empty());
  CHECK(tokens(reader, std::string_view("\"a\0b\"", 5)).empty());
}

TEST_CASE("bytes that are no UTF-8 are refused in keys, values and between them") {
  for (const std::string_view bad :
       {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"}) {
    for (const std::string& document :
         {"{\"a" + std::string(bad) + "\":1}", "[\"" + std::string(bad) + "\"]",
          "[1]" + std::string(bad), std::string(bad)}) {
      CAPTURE(document);
      Reader reader;
      CHECK(tokens(reader, document).empty());
      CHECK(reader.fault_kind() == FaultKind::utf8);
    }
  }
  CHECK(fault_of("{\"temp\":\"\xc3\xa4\xff\"}") == "0xff at byte 11 is not UTF-8");
  CHECK(fault_of(std::string(5000, ' ') + "\"\xe2\x82\xac\xe2\x28\xa1" + std::string(5000, 'x') +
                 "\"") == "0xe2 at byte 5004 is not UTF-8");
}

TEST_CASE("a fault says what, where, and what to do about it") {
  CHECK(fault_of("") == "the payload is empty");
  CHECK(fault_of("  \n") == "the payload is only white space");
  CHECK(fault_of(R"({"Total":6.4}})") == "`}` at byte 13 after the end of the document");
  CHECK(fault_of(R"({"temp":NaN})") ==
        "`NaN` at byte 8 is not JSON; leave the field out or send null");
  CHECK(fault_of(R"({"temp":-Infinity})") ==
        "`-Infinity` at byte 8 is not JSON; leave the field out or send null");
  CHECK(fault_of(R"({"a":01})") == "`01` at byte 5 is no JSON number");
  CHECK(fault_of(R"({"a":True})") == "`True` at byte 5 is no JSON value");
  CHECK(fault_of(R"({"a":1,})") == "`}` at byte 7 where a key in quotes should be");
  CHECK(fault_of(R"({"a" 1})") == "`1` at byte 5 where `:` should be");
  CHECK(fault_of(R"({"a":1 "b":2})") == "`\"` at byte 7 where `,` or `}` should be");
  CHECK(fault_of(R"([1 2])") == "`2` at byte 3 where `,` or `]` should be");
  CHECK(fault_of(R"({"a":{"b":1})") == "the document ends at byte 12 before it is complete");
  CHECK(fault_of(R"({"a":"x)") == "the string at byte 5 is not closed");
  CHECK(fault_of("{\"a\":\"x\ny\"}") ==
        "control character 0x0a at byte 7 in a string must be escaped");
  CHECK(fault_of(R"(["\q"])") == "bad escape `\\q` at byte 2");
  CHECK(fault_of(R"(["\ud800 "])") == "bad escape `\\ud800` at byte 2");
  CHECK(fault_of(R"([hello, I am a very long word])") == "`hello` at byte 1 is no JSON value");
  CHECK(fault_of("\x1b[31m") == "`?` at byte 0 is no JSON value");
}

TEST_CASE("the depth limit is exact, for objects as for arrays") {
  Reader reader;
  CHECK_FALSE(tokens(reader, nested(64)).empty());
  CHECK(tokens(reader, nested(65)).empty());
  CHECK(reader.fault_kind() == FaultKind::depth);
  CHECK(reader.fault_detail() == "nested deeper than 64 levels at byte 64");
  CHECK(tokens(reader, std::string(100'000, '[')).empty());
  CHECK(reader.fault_kind() == FaultKind::depth);
  std::string objects;
  for (int i = 0; i < 64; ++i) {
    objects += "{\"a\":";
  }
  CHECK_FALSE(tokens(reader, objects + "1" + std::string(64, '}')).empty());
  CHECK(tokens(reader, objects + "{}" + std::string(64, '}')).empty());
  Reader shallow(2);
  CHECK_FALSE(tokens(shallow, nested(2)).empty());
  CHECK(tokens(shallow, nested(3)).empty());
}

TEST_CASE("a reader goes on after a fault") {
  Reader reader;
  CHECK(tokens(reader, "[1,").empty());
  CHECK(reader.next() == Token::fault);
  CHECK(tokens(reader, "[1]") == "[n1,],");
  CHECK(reader.next() == Token::end);
}

TEST_CASE("tokens come in order, with white space anywhere") {
  Reader reader;
  CHECK(
      tokens(reader,
             " \t\r\n{ \"a\" : [ 1 , -2.50e+3 , true , false , null , \"x\" ] , \"b\" : { } } ") ==
      "{k1:a,[n1,n-2.50e+3,t,f,0,s1:x,],k1:b,{},},");
  CHECK(tokens(reader, "[]") == "[],");
  CHECK(tokens(reader, "12") == "n12,");
  CHECK(tokens(reader, "\"\"") == "s0:,");
}

TEST_CASE("escapes are undone, in keys too, and strings stay valid for the whole document") {
  Reader reader;
  CHECK(
      tokens(reader, R"({"k\u0065y":"\"\\\/\b\f\n\r\t","x":"\u00e4\u20ac\uD83D\uDE00\u0000z"})") ==
      "{k3:key,s8:\"\\/\b\f\n\r\t,k1:x,s11:\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\0z,},"s);
  const Padded padded(R"(["\n1","\n2","plain","\n3"])");
  reader.open(padded.view());
  std::vector<std::string_view> seen;
  while (reader.next() == Token::string) {
    seen.push_back(reader.text());
  }
  CHECK(seen == std::vector<std::string_view>{"\n1", "\n2", "plain", "\n3"});
}

TEST_CASE("numbers keep all their digits") {
  Number n;
  REQUIRE(read_number("-0.011737819751470924", n));
  CHECK(n.plain);
  CHECK(n.negative);
  CHECK(n.mantissa == 11737819751470924u);
  CHECK(n.scale == 18);
  REQUIRE(read_number("9223372036854775807", n));
  CHECK(n.plain);
  REQUIRE(read_number("9223372036854775808", n));
  CHECK_FALSE(n.plain);
  REQUIRE(read_number("0.0000000000000000000009223372036854775807", n));
  CHECK(n.plain);
  CHECK(n.mantissa == 9223372036854775807u);
  CHECK(n.scale == 40);
  REQUIRE(read_number("18446744073709551617", n)); // 2^64 + 1: not 1.
  CHECK_FALSE(n.plain);
  REQUIRE(read_number("1e5", n));
  CHECK_FALSE(n.plain);
  CHECK(n.text == "1e5");
}

TEST_CASE("documents broken at random are judged as by another parser") {
  const std::string seeds[] = {
      R"({"ts":1594598424502,"co":0.011737819751470924,"light":false,"n":null,"s":"a\u00e4\\b\"c"})",
      R"([{"a":[1,2.5,-3e-7,{"b":{}}],"\ud83d\ude00":"x"},[],[[]],"\n",true])",
      R"(  { "Time" : "2018-11-15T08:54:18" , "ENERGY" : { "Total" : [ 6.404 , 0 ] } }  )",
      "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"",
  };
  constexpr std::string_view kBytes =
      "{}[],:\"\\/ \n\t0123456789.eE+-truefalsn\0\x1f\x80\xc3\xff"sv;
  std::mt19937 random(20200713);
  Reader reader;
  for (int round = 0; round < 40'000; ++round) {
    std::string document = seeds[random() % std::size(seeds)];
    for (unsigned change = random() % 4; change > 0 && !document.empty(); --change) {
      const std::size_t at = random() % document.size();
      const char byte = kBytes[random() % kBytes.size()];
      switch (random() % 4) {
      case 0:
        document[at] = byte;
        break;
      case 1:
        document.insert(at, 1, byte);
        break;
      case 2:
        document.erase(at, 1 + random() % 3);
        break;
      default:
        document.resize(at);
      }
    }
    const std::string differs = difference(reader, document);
    if (!differs.empty()) {
      CAPTURE(document);
      FAIL(differs);
    }
  }
}
