#include "engine/telemetry/ndjson.hpp"

#include <doctest/doctest.h>

#include "tests/telemetry/fixture.hpp"

using namespace spate;
using namespace spate::telemetry;
using namespace spate::telemetry::test;
using model::RejectReason;

namespace {

/// The lines of the records of the last body.
std::vector<std::uint32_t> seen_lines;

ParseSummary lines(Bench& bench, std::string_view body) {
  bench.block.clear();
  bench.faults.clear();
  return parse_ndjson(bench.parser, {}, Padded(body).view(), kNow, bench.block, bench.faults,
                      seen_lines);
}

} // namespace

TEST_CASE("a bad line is one rejected record, and the others are stored") {
  Bench bench;
  const ParseSummary summary =
      lines(bench, "{\"a\":1}\n{\"a\":2\n[{\"a\":3}]\n{}\nnonsense\n{\"a\":4}\n");
  CHECK(summary.rows == 2);
  CHECK(summary.rejected == 4);
  CHECK_FALSE(summary.whole);
  REQUIRE(bench.faults.size() == 4);
  const RejectReason reasons[] = {RejectReason::payload_not_json, RejectReason::no_values,
                                  RejectReason::no_values, RejectReason::payload_not_json};
  for (std::uint32_t i = 0; i < 4; ++i) {
    CHECK(bench.faults[i].index == i + 1);
    CHECK(bench.faults[i].reason == reasons[i]);
    CHECK_FALSE(bench.faults[i].whole);
  }
  CHECK(row_text(bench.block, 0) == "a=1");
  CHECK(row_text(bench.block, 1) == "a=4");
}

TEST_CASE("lines may end with CR LF, be blank, and the last one may lack its end") {
  Bench bench;
  const ParseSummary summary = lines(bench, "\r\n{\"a\":1}\r\n \t\n\n{\"a\":2}");
  CHECK(summary.rows == 2);
  CHECK(summary.rejected == 0);
  CHECK(lines(bench, "\n\nx").rejected == 1);
  CHECK(bench.faults[0].index == 0);
  CHECK(bench.faults[0].offset == 2);
  CHECK(seen_lines == std::vector<std::uint32_t>{3});
  lines(bench, "{\"a\":1}\n\nx\n \n{\"a\":2}\n[]");
  CHECK(seen_lines == std::vector<std::uint32_t>{1, 3, 5, 6});
  CHECK(bench.faults.at(0).index == 1);
  CHECK(bench.faults.at(1).index == 3);
  CHECK(bench.faults.at(1).offset == 21);
}

TEST_CASE("a body without any record is refused as an empty array is") {
  Bench bench;
  for (const char* body : {"", "\n", "\n \t\r\n\n"}) {
    const ParseSummary summary = lines(bench, body);
    CHECK(summary.rows == 0);
    CHECK(summary.rejected == 1);
    CHECK_FALSE(summary.whole);
    CHECK(bench.faults.at(0).reason == RejectReason::no_values);
  }
}

TEST_CASE("too many lines are refused as a whole") {
  ParserLimits limits;
  limits.records_max = 2;
  Bench bench(limits);
  CHECK(lines(bench, "{\"a\":1}\nx\n").rows == 1);
  const ParseSummary summary = lines(bench, "{\"a\":1}\nx\n\n{\"a\":2}\n");
  CHECK(summary.whole);
  CHECK(summary.rejected == 1);
  CHECK(bench.block.rows.empty());
  CHECK(bench.block.values.empty());
  REQUIRE(bench.faults.size() == 1);
  CHECK(bench.faults[0].reason == RejectReason::too_many_records);
}
