#include "engine/telemetry/parser.hpp"

#include <doctest/doctest.h>

#include "tests/telemetry/fixture.hpp"

using namespace spate;
using namespace spate::telemetry;
using namespace spate::telemetry::test;

TEST_CASE("a document with something behind its end leaves nothing in the block") {
  Bench bench;
  const ParseSummary summary = bench(R"([{"a":1},{"a":2}]})");
  CHECK(summary.whole);
  CHECK(summary.rows == 0);
  CHECK(summary.rejected == 1);
  CHECK(bench.block.rows.empty());
  CHECK(bench.block.values.empty());
  CHECK(bench.faults.at(0).detail == "`}` at byte 17 after the end of the document");
}

TEST_CASE("an env-mqtt message becomes one row in the order of its shape") {
  Bench bench;
  CHECK(bench.one(
            R"({"ts":1594598424502,"co":0.011737819751470924,"humidity":73.80,"light":false})") ==
        "co=0.011737819751470924 humidity=73.80 light=false");
  CHECK(bench.block.rows[0].time_ns == 1'594'598'424'502'000'000);
  CHECK(bench.block.rows[0].source == model::TsSource::device);
}
