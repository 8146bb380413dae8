#include "engine/json/writer.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <limits>
#include <string>

using spate::json::Writer;

TEST_CASE("bytes that are no UTF-8 become replacement characters, never broken JSON") {
  std::string out;
  Writer(out).string("a\xff\xc3(\xed\xa0\x80z\xe2\x82");
  CHECK(out == "\"a\xef\xbf\xbd\xef\xbf\xbd("
               "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\"");
  CHECK(nlohmann::json::accept(out));
}

TEST_CASE("every single byte survives as a string or is replaced") {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    std::string out;
    Writer(out).string(text);
    REQUIRE(nlohmann::json::accept(out));
    const auto back = nlohmann::json::parse(out).get<std::string>();
    CHECK(back == (byte < 0x80 ? text : std::string("\xef\xbf\xbd")));
  }
}

TEST_CASE("quotes, backslashes and control characters are escaped") {
  std::string out;
  Writer(out).string(std::string_view("\"\\\b\f\n\r\t\0\x1f/", 10));
  CHECK(out == R"("\"\\\b\f\n\r\t\u0000\u001F/")");
}

TEST_CASE("an answer is appended to what is already there") {
  std::string out = "head ";
  Writer w(out);
  w.begin_object();
  w.member("device", "d1").member("n", std::int64_t{-5}).member("big", ~std::uint64_t{0});
  w.member("on", true).key("none").null();
  w.key("records").begin_array();
  w.number_text("22.50").integer(std::numeric_limits<std::int64_t>::min());
  w.begin_object().end_object();
  w.end_array().end_object();
  CHECK(w.size() == out.size());
  CHECK(out == R"(head {"device":"d1","n":-5,"big":18446744073709551615,"on":true,"none":null,)"
               R"("records":[22.50,-9223372036854775808,{}]})");
}

TEST_CASE("several documents can be written one after the other, as lines") {
  std::string out;
  Writer w(out);
  w.begin_object().member("a", std::int64_t{1}).end_object();
  out.push_back('\n');
  w.begin_array().end_array();
  out.append(1000, '\n');
  w.null();
  CHECK(out == "{\"a\":1}\n[]" + std::string(1000, '\n') + "null");
}

TEST_CASE("a long document grows in steps and ends at its exact size") {
  std::string out;
  Writer w(out);
  w.begin_array();
  const std::string text(1000, 'x');
  for (int i = 0; i < 500; ++i) {
    w.string(text);
  }
  w.end_array();
  CHECK(out.size() == 500 * 1003 + 1);
  CHECK(nlohmann::json::parse(out).size() == 500);
}

TEST_CASE("an empty view is an empty string") {
  std::string out;
  Writer(out).string({});
  CHECK(out == "\"\"");
}

TEST_CASE("a character that needs an escape is found wherever it stands") {
  for (const std::string_view special : {"\"", "\\", "\n", "\x01", "\x1f", "\xc3\xbc"}) {
    for (std::size_t at = 0; at < 20; ++at) {
      CAPTURE(at);
      const std::string text =
          std::string(at, 'a') + std::string(special) + std::string(20 - at, '~');
      std::string out;
      Writer(out).string(text);
      REQUIRE(nlohmann::json::accept(out));
      CHECK(nlohmann::json::parse(out).get<std::string>() == text);
    }
  }
}

TEST_CASE("a value that is written past the writer stands like any other") {
  std::string out;
  Writer w(out);
  const auto two = [](spate::json::StringSink& sink) {
    sink.append("[");
    sink.append(std::int64_t{-1'700'000'000'123});
    sink.append("]");
  };
  w.begin_object().key("a").raw(two).key("b").raw(two).member("c", true).end_object();
  w.raw(two); // A document of its own.
  w.null();
  CHECK(out == R"({"a":[-1700000000123],"b":[-1700000000123],"c":true}[-1700000000123]null)");
}
