#include "actors/command_answer.hpp"

#include <doctest/doctest.h>

#include "engine/base/utf8.hpp"
#include "engine/model/command.hpp"

namespace spate::actors {
namespace {

using Status = CommandAnswer::Status;

ParsedAnswer parse(std::string_view payload,
                   std::optional<std::string_view> property = std::nullopt) {
  static json::Reader reader;
  std::string padded(payload);
  padded.append(json::Reader::kPaddingBytes, '"');
  return parse_answer(reader, std::string_view(padded).substr(0, payload.size()), property);
}
ParsedAnswer parse_bare(std::string_view payload) {
  static json::Reader reader;
  std::string padded(payload);
  padded.append(json::Reader::kPaddingBytes, '"');
  return parse_bare_answer(reader, std::string_view(padded).substr(0, payload.size()));
}

TEST_SUITE("actors.command_answer") {
  TEST_CASE("status, result and reason are taken out of the object") {
    CHECK(parse(R"({"status":"ok","result":{"a": [1, {"b":2}], "c":"}"} ,"reason":"done"})") ==
          ParsedAnswer{Status::ok, R"({"a": [1, {"b":2}], "c":"}"})", "done"});
    CHECK(parse(R"({"reason":"valve stuck","status":"failed"})") ==
          ParsedAnswer{Status::failed, "", "valve stuck"});
    CHECK(parse(R"( {"status":"rejected" , "result" : 1e3 } )") ==
          ParsedAnswer{Status::rejected, "1e3", ""});
    CHECK(parse(R"({"status":"ok","result":null,"reason":null})") ==
          ParsedAnswer{Status::ok, "null", ""});
    CHECK(parse(R"({"status":"ok","more":[[],{}],"result":"a\n\u00e9"})").result ==
          R"("a\n\u00e9")");
  }

  TEST_CASE("of a member that stands twice the last counts") {
    CHECK(parse(R"({"status":"ok","status":"failed","result":1,"result":[2]})") ==
          ParsedAnswer{Status::failed, "[2]", ""});
  }

  TEST_CASE("a reason that is no text is kept as the JSON that it is") {
    CHECK(parse(R"({"status":"failed","reason":{"code":7}})").reason == R"({"code":7})");
  }

  TEST_CASE("any other JSON is the result of a command that went well") {
    for (const std::string_view payload :
         {"21.5", R"({"temp":1})", "[]", "{}", "null", "true", R"("words")",
          R"({"status":"weird","result":1})", R"({"status":1,"result":1})",
          R"({"result":1,"reason":"x"})"}) {
      CAPTURE(payload);
      CHECK(parse(payload) == ParsedAnswer{Status::ok, std::string(payload), ""});
    }
    CHECK(parse("  7 \n").result == "7");
    CHECK(parse("") == ParsedAnswer{Status::ok, "", ""});
  }

  TEST_CASE("what is no JSON is a text and becomes the result as a string") {
    CHECK(parse("done").result == R"("done")");
    CHECK(parse("{\"status\":\"failed\"").result == R"("{\"status\":\"failed\"")");
    CHECK(parse(R"({"status":"failed"} trailing)").status == Status::ok);
    CHECK(parse("a\xff"
                "b")
              .result == "\"a\xEF\xBF\xBD"
                         "b\"");
    CHECK(parse(std::string_view("\0", 1)).result == R"("\u0000")");
    CHECK(parse(" ").result == R"(" ")");
  }

  TEST_CASE("JSON that is nested too deep is kept as a text") {
    const std::string deep = std::string(5000, '[') + std::string(5000, ']');
    CHECK(parse(deep).result == '"' + deep + '"');
    const std::string member = R"({"status":"failed","result":)" + deep + "}";
    CHECK(parse(member).status == Status::ok); // No object that could be read.
  }

  TEST_CASE("the user property goes before the payload") {
    CHECK(parse(R"({"status":"ok","result":1})", "failed") ==
          ParsedAnswer{Status::failed, "1", ""});
    CHECK(parse("no", "rejected") == ParsedAnswer{Status::rejected, R"("no")", ""});
    CHECK(parse("", "failed") == ParsedAnswer{Status::failed, "", ""});
    CHECK(parse(R"({"temp":1})", "failed") == ParsedAnswer{Status::failed, R"({"temp":1})", ""});
    CHECK(parse(R"({"reason":"hot"})", "failed") == ParsedAnswer{Status::failed, "", "hot"});
    CHECK(parse(R"({"status":"failed"})", "odd").status == Status::failed);
  }

  TEST_CASE("a result beyond the limit makes the answer failed and says so") {
    const std::size_t limit = model::kCommandResultBytesMax;
    const std::string fits = '"' + std::string(limit - 2, 'x') + '"';
    CHECK(parse(R"({"status":"ok","result":)" + fits + "}") == ParsedAnswer{Status::ok, fits, ""});
    const std::string large = '"' + std::string(limit - 1, 'x') + '"';
    const ParsedAnswer refused = parse(R"({"status":"ok","result":)" + large + "}");
    CHECK(refused.status == Status::failed);
    CHECK(refused.result.empty());
    CHECK(refused.reason == "the device's result has 65537 bytes of JSON; the limit is 65536");
    CHECK(parse(large).status == Status::failed);
    CHECK(parse(std::string(1u << 20, 'x')).status == Status::failed);
    CHECK(parse(std::string(limit - 10, '\n')).status == Status::failed); // Larger once escaped.
    CHECK(parse_bare(large).status == Status::failed);
  }

  TEST_CASE("a reason is cut between characters and has no control characters") {
    std::string e;
    for (int i = 0; i < 300; ++i) {
      e += "\u00e9";
    }
    const std::string cut = parse(R"({"status":"failed","reason":"x)" + e + "\"}").reason;
    CHECK(cut.size() == 511);
    CHECK(is_utf8(cut));
    CHECK(clean_reason("a\tb\x7f"
                       "c\xff") == "a b c\xEF\xBF\xBD");
    CHECK(clean_reason(std::string(512, 'x')).size() == 512);
    CHECK(clean_reason(std::string(600, '\xff')).size() == 510);
  }

  TEST_CASE("without a status all of the payload is the result") {
    CHECK(parse_bare(R"({"status":"failed"})") ==
          ParsedAnswer{Status::ok, R"({"status":"failed"})", ""});
    CHECK(parse_bare("words").result == R"("words")");
    CHECK(parse_bare("").result.empty());
  }
}

} // namespace
} // namespace spate::actors
