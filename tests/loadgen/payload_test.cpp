#include "loadgen/load/payload.hpp"

#include <filesystem>
#include <fstream>
#include <set>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "loadgen/base/json_text.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

Message message_of(std::uint32_t text, std::int64_t ts) {
  return {0, 0, ts, text};
}

} // namespace

TEST_CASE("a payload that can not be one is refused with a reason") {
  CHECK_FALSE(make_template("[1]"));
  CHECK_FALSE(make_template("5"));
  CHECK_FALSE(make_template(""));
  CHECK_FALSE(make_template("{\"a\":}"));
  CHECK_FALSE(make_template("{\"a\":\"" + std::string(kPayloadBytesMax, 'x') + "\"}"));
  for (const char* what : {"0", "31", "2m", "huge", "-5", "12.5"}) {
    CAPTURE(what);
    CHECK_FALSE(load_templates(what, 1));
  }
  CHECK(load_templates("/nowhere/x.ndjson", 1).error().code == Errc::file_unreadable);
}

TEST_CASE("every generated payload is JSON with the time that was asked for") {
  for (const char* what : {"env", "small", "32", "100", "4k"}) {
    CAPTURE(what);
    const auto templates = load_templates(what, 7).value();
    TemplatePayloads payloads(templates);
    std::set<std::string> texts;
    for (std::size_t i = 0; i < templates.size(); ++i) {
      const std::uint32_t text = payloads.next();
      const Message message = message_of(text, 1594598424502);
      const std::string payload(payloads.text(message));
      const auto parsed = nlohmann::json::parse(payload);
      REQUIRE(parsed.at("ts") == 1594598424502);
      REQUIRE(parsed.size() == (std::string(what) == "env" ? 8 : 2));
      REQUIRE(payloads.hash(message) == values_hash(payload, "ts").value());
      texts.insert(payload);
    }
    CHECK(texts.size() > 100);
    CHECK(payloads.next() == 0); // And in turn again.
  }
}

TEST_CASE("a size means bytes of the whole payload") {
  for (const std::size_t size : {32u, 33u, 100u, 1000u, 65'536u}) {
    const auto templates = load_templates(std::to_string(size), 1).value();
    CHECK(templates.front().text.size() == size);
  }
}

TEST_CASE("a time of the template's own gives way to the generator's") {
  const auto made = make_template(R"( {"a":1.50,"ts":5,"b":{"ts":6}} )").value();
  CHECK(made.text == R"({"ts":1000000000000,"a":1.50,"b":{"ts":6}})");
  CHECK(make_template("{}").value().text == R"({"ts":1000000000000})");
}

TEST_CASE("templates come from a file, of bare objects or of recorded lines") {
  const auto path = std::filesystem::temp_directory_path() / "spate_payload_test.ndjson";
  std::ofstream(path)
      << "{\"a\":1.10}\n\n{\"d\":\"x\",\"t\":5,\"p\":{\"b\":2.0}}\n{\"p\":{\"c\":3}}";
  const auto templates = load_templates(path.string(), 1).value();
  REQUIRE(templates.size() == 3);
  CHECK(templates[0].text == R"({"ts":1000000000000,"a":1.10})");
  CHECK(templates[1].text == R"({"ts":1000000000000,"b":2.0})");
  CHECK(templates[2].text == R"({"ts":1000000000000,"p":{"c":3}})");

  std::ofstream(path) << "{\"a\":1}\n{\"a\":\n";
  const auto broken = load_templates(path.string(), 1);
  REQUIRE_FALSE(broken);
  CHECK(broken.error().detail.find(".ndjson:2: not JSON") != std::string::npos);
  std::filesystem::remove(path);
}

TEST_CASE("times are written as thirteen digits") {
  for (const std::int64_t ts : {std::int64_t{0}, std::int64_t{7}, std::int64_t{1000000000000},
                                std::int64_t{1594598424502}, std::int64_t{9999999999999}}) {
    char text[13];
    write_ts(text, ts);
    std::string wanted = std::to_string(ts);
    wanted.insert(0, 13 - wanted.size(), '0');
    CHECK(std::string(text, 13) == wanted);
  }
}
