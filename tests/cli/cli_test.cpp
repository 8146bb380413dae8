#include <fstream>
#include <sstream>

#include <doctest/doctest.h>

#include "cli/command_view.hpp"
#include "cli/http_client.hpp"
#include "cli/inputs.hpp"
#include "cli/json_object.hpp"
#include "cli/progress.hpp"
#include "cli/store_verbs.hpp"
#include "cli/table.hpp"
#include "engine/base/percent.hpp"

using namespace spate;
using namespace spate::cli;

namespace {

constexpr std::string_view kDocument =
    R"({"id":"01977f2e-6d5b-7c3a-9f10-3b2f6a1d9e44","device":"d","name":"set","args":null,)"
    R"("state":"FAILED","final":true,"result":{"n":12345678901234567890123.50},"reason":"a\nb",)"
    R"("timings":{"created_ts":1000,"sent_ts":1002,"delivered_ts":null,"completed_ts":1021,)"
    R"("total_us":21120}})";

} // namespace

TEST_CASE("durations that are none, or longer than 30 days, are refused") {
  for (const auto text : {"", "5", "s", "5x", "0s", "-1s", "1.5h", "5 s", "31d", "721h",
                          "99999999999999999999d", "9223372036854775807d"}) {
    const std::string asked = text;
    CAPTURE(asked);
    CHECK_FALSE(parse_duration_ms(asked));
  }
  CHECK(*parse_duration_ms("500ms") == 500);
  CHECK(*parse_duration_ms("30s") == 30'000);
  CHECK(*parse_duration_ms("24h") == 86'400'000);
  CHECK(*parse_duration_ms("30d") == 2'592'000'000);
}

TEST_CASE("a wait is whole seconds from 1 to 60") {
  for (const auto text : {"", "0", "61", "-1", "5s", "1.5"}) {
    CHECK_FALSE(parse_wait_s(text));
  }
  CHECK(*parse_wait_s("60") == 60);
}

TEST_CASE("what may be meant as a time is told from names, ids and JSON") {
  for (const auto text : {"30", "1.5", "30s", "500ms", "0"}) {
    const std::string asked = text;
    CAPTURE(asked);
    CHECK(looks_like_time(asked));
  }
  for (const auto text : {"", "s", "-5", "30x", "0a1b", "4711-b", "{}", "\"30\"", "[30]", "@30"}) {
    const std::string asked = text;
    CAPTURE(asked);
    CHECK_FALSE(looks_like_time(asked));
  }
}

TEST_CASE("this machine is told from others, however its URL is written") {
  for (const auto text : {"http://localhost", "http://LOCALHOST:8080", "https://a.localhost:1/x",
                          "http://127.0.0.1:8080", "http://127.9.8.7",
                          "http://user:pw@127.0.0.1:80", "http://[::1]:8080", "http://[0:0::1]"}) {
    const std::string asked = text;
    CAPTURE(asked);
    CHECK(is_loopback_url(asked));
  }
  for (const auto text : {"http://node.example", "http://localhost.example", "http://notlocalhost",
                          "http://127.0.0.1.example", "http://128.0.0.1", "http://[::2]",
                          "http://10.0.0.1/127.0.0.1", "http://127.0.0.1@10.0.0.1", "http://"}) {
    const std::string asked = text;
    CAPTURE(asked);
    CHECK_FALSE(is_loopback_url(asked));
  }
}

TEST_CASE("arguments that are no JSON are refused with the place of the fault") {
  std::istringstream input(" {\"a\":1e400}\n");
  CHECK(*read_args("-", input) == "{\"a\":1e400}");
  std::istringstream none;
  CHECK_FALSE(read_args("-", none));
  const auto bad = read_args(R"({"a":tru})", none);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code == Errc::usage);
  CHECK(bad.error().detail.find("byte 5") != std::string::npos);
  CHECK(read_args("@/nowhere/at/all", none).error().code == Errc::file_unreadable);
  CHECK(read_args("\"" + std::string(65'534, 'x') + "\"", none));
  CHECK_FALSE(read_args("\"" + std::string(65'535, 'x') + "\"", none));
  std::istringstream endless(std::string(1'000'000, ' ') + "1");
  CHECK_FALSE(read_args("-", endless));
}

TEST_CASE("a command is read with its numbers as they were sent") {
  const auto command = parse_command(kDocument);
  REQUIRE(command);
  CHECK(command->result == R"({"n":12345678901234567890123.50})");
  CHECK(command->args.empty());
  CHECK(command->reason == "a\nb");
  CHECK_FALSE(command->delivered_ms);
  CHECK(*command->total_us == 21'120);
  const auto steps = steps_of(*command);
  REQUIRE(steps.size() == 3);
  CHECK(steps[1] == std::pair<std::string, std::int64_t>("SENT", 1002));
  CHECK(steps[2] == std::pair<std::string, std::int64_t>("FAILED", 1021));
  CHECK(outcome_of(*command, 100) == R"({"n":12345678901234567890123.50}  a b)");
  for (const auto text : {"", "[]", "{}", "{\"id\":\"x\"}", "{\"id\":\"x\",\"state\":\"SENT\""}) {
    CHECK_FALSE(parse_command(text));
  }
}

TEST_CASE("a list of commands is read, and what is none is refused") {
  const std::string page = "{\"items\":[" + std::string(kDocument) + "],\"next_cursor\":\"abc\"}";
  const auto read = parse_command_page(page);
  REQUIRE(read);
  CHECK(read->commands.size() == 1);
  CHECK(read->next_cursor == "abc");
  CHECK(parse_command_page(R"({"items":[],"next_cursor":null})")->next_cursor.empty());
  CHECK_FALSE(parse_command_page("{}"));
  CHECK_FALSE(parse_command_page(R"({"items":[{}]})"));
}

TEST_CASE("text from devices can not steer the terminal") {
  CHECK(printable("a\x1b[2Jb\nc\x7f") == "a?[2Jb c?");
  CHECK(printable("x\xc2\x9b"
                  "31m\xc3\xa9") == "x?31m\xc3\xa9");
  CHECK(printable("\xc3\xa9\xc3\xa9\xc3\xa9", 2) == "\xc3\xa9\xc3\xa9...");
}

TEST_CASE("columns line up, also with characters of several bytes") {
  Table table({"A", "B"});
  table.add({"\xc3\xa9\xc3\xa9\xc3\xa9", "x"});
  table.add({"y", ""});
  CHECK(table.text() == "A    B\n\xc3\xa9\xc3\xa9\xc3\xa9  x\ny\n");
  CHECK(time_text(1'594'598'424'502) == "2020-07-13T00:00:24.502Z");
  CHECK(duration_text(840) == "840 us");
  CHECK(duration_text(21'120) == "21.1 ms");
  CHECK(duration_text(3'200'000) == "3.20 s");
}

TEST_CASE("a URL that is none is refused, and ids are encoded") {
  CHECK_FALSE(HttpClient::open("127.0.0.1:8080"));
  CHECK_FALSE(HttpClient::open("file:///etc/passwd"));
  CHECK(HttpClient::open("http://127.0.0.1:8080/"));
  CHECK(percent_encode("K\xc3\xbc/1 ?") == "K%C3%BC%2F1%20%3F");
}

TEST_CASE("sizes have three digits and a unit") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(999) == "999 B");
  CHECK(bytes_text(1000) == "0.98 KiB");
  CHECK(bytes_text(1024) == "1.00 KiB");
  CHECK(bytes_text(10'200) == "9.96 KiB");
  CHECK(bytes_text(10'240) == "10.0 KiB");
  CHECK(bytes_text(133'169'152) == "127 MiB");
  CHECK(bytes_text(std::uint64_t{3} << 40) == "3.00 TiB");
}

TEST_CASE("a bar is full at the end, and not beyond it") {
  CHECK(bar_text(0, 4) == "[--------------------]");
  CHECK(bar_text(1, 4) == "[#####---------------]");
  CHECK(bar_text(9, 4) == "[####################]");
  CHECK(bar_text(0, 0) == "[####################]");
}

TEST_CASE("a part of long work shows its bytes, and a bar where their sum is known") {
  CHECK(part_text("copy", 256, 1024) == "copy [#####---------------] 256 B of 1.00 KiB");
  CHECK(part_text("records", 12, 0) == "records 12");
}

TEST_CASE("the target of an export holds only what was asked for") {
  StoreVerbOptions options;
  options.device = "a b:ü";
  CHECK(export_target(options) == "/api/v1/devices/a%20b%3A%C3%BC/telemetry:export");
  options.fields = {"a,b", "c"};
  options.from = "2026-01-01T00:00:00+01:00";
  CHECK(export_target(options) ==
        "/api/v1/devices/a%20b%3A%C3%BC/telemetry:export?from=2026-01-01T00%3A00%3A00%2B01%3A00"
        "&fields=a%2Cb&fields=c");
}

TEST_CASE("what is no store is no table") {
  CHECK_FALSE(store_table("[]"));
  CHECK_FALSE(store_table(R"({"disk":{}})"));
}
