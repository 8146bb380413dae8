#include "engine/telemetry/parser.hpp"

#include <doctest/doctest.h>

#include "tests/telemetry/fixture.hpp"

using namespace spate;
using namespace spate::telemetry;
using namespace spate::telemetry::test;
using model::RejectReason;

namespace {

Route flat() {
  Route route;
  route.format = Format::flat;
  return route;
}

Route text() {
  Route route;
  route.format = Format::text;
  return route;
}

Route by_path() {
  Route route;
  route.names_are_paths = true;
  return route;
}

Route timed(std::string field, TimeUnit unit = TimeUnit::automatic,
            Format format = Format::automatic) {
  Route route;
  route.format = format;
  route.time_field = std::move(field);
  route.time_unit = unit;
  return route;
}

} // namespace

TEST_CASE("a document that breaks at its end leaves nothing in the block") {
  Bench bench;
  bench.block.values = "kept";
  bench.block.rows.resize(2);
  for (const std::string_view payload :
       {R"([{"a":1},{"a":2}]})", R"([{"a":1},{"a":2},)", R"([{"a":1},{"a":2 "b":3}])",
        R"([{"a":1},{},{"a":"\ud800"}])", R"({"a":1,"b":NaN})", "[{\"a\":1},\xff]"}) {
    CAPTURE(payload);
    bench.faults.assign(1, {});
    const ParseSummary summary =
        bench.parser.parse({}, Padded(payload).view(), kNow, bench.block, bench.faults);
    CHECK(summary.whole);
    CHECK(summary.rows == 0);
    CHECK(summary.rejected == 1);
    CHECK(bench.block.rows.size() == 2);
    CHECK(bench.block.values == "kept");
    REQUIRE(bench.faults.size() == 2);
    CHECK(bench.faults[1].whole);
    CHECK_FALSE(bench.faults[1].detail.empty());
  }
}

TEST_CASE("a document refused as a whole says why") {
  Bench bench;
  CHECK(bench.one("") == "0 rows; whole payload-not-json");
  CHECK(bench.one("ON") == "0 rows; whole payload-not-json");
  CHECK(bench.one(R"({"temp":NaN})") == "0 rows; whole payload-not-json");
  CHECK(bench.faults[0].detail == "`NaN` at byte 8 is not JSON; leave the field out or send null");
  CHECK(bench.one("{\"a\":\"\xff\"}") == "0 rows; whole invalid-utf8");
  CHECK(bench.one(std::string(65, '[') + std::string(65, ']')) == "0 rows; whole depth-exceeded");
  CHECK(bench.one(std::string((1u << 20) + 1, ' ')) == "0 rows; whole payload-too-large");
  CHECK(bench.faults[0].detail == "the payload has 1048577 bytes; the limit is 1048576");
}

TEST_CASE("a bad element of an array is a fault with its index, the others are stored") {
  Bench bench;
  const ParseSummary summary = bench(
      R"([{"a":1},{},5,[{"a":2}],null,{"ts":"noon","a":3},{"a":1e999},{"ts":9999999999999,"a":4},{"a":5}])");
  CHECK(summary.rows == 2);
  CHECK(summary.rejected == 7);
  CHECK_FALSE(summary.whole);
  CHECK(row_text(bench.block, 0) == "a=1");
  CHECK(row_text(bench.block, 1) == "a=5");
  const RejectReason reasons[] = {
      RejectReason::no_values,          RejectReason::no_values,
      RejectReason::no_values,          RejectReason::no_values,
      RejectReason::timestamp_invalid,  RejectReason::number_out_of_range,
      RejectReason::timestamp_in_future};
  REQUIRE(bench.faults.size() == std::size(reasons));
  for (std::uint32_t i = 0; i < std::size(reasons); ++i) {
    CHECK(bench.faults[i].index == i + 1);
    CHECK(bench.faults[i].reason == reasons[i]);
    CHECK_FALSE(bench.faults[i].whole);
  }
}

TEST_CASE("a payload without any value is rejected as such") {
  Bench bench;
  for (const std::string_view payload :
       {"{}", "[]", "null", R"({"a":null})", R"({"a":{},"b":[[],{}]})", R"({"ts":1594598424502})",
        R"({"ts":1594598424502,"values":{}})", R"({"a":1,"a":null})", R"({"a":{"b":1},"a":{}})"}) {
    CAPTURE(payload);
    CHECK(bench.one(payload) == "0 rows; no-values");
  }
  CHECK(bench.one("", text()) == "0 rows; no-values");
}

TEST_CASE("fields, members, paths, texts and records are limited, each with its reason") {
  ParserLimits limits;
  limits.fields_max = 3;
  limits.records_max = 2;
  limits.path_bytes_max = 8;
  limits.string_bytes_max = 4;
  Bench bench(limits);
  CHECK(bench.one(R"({"a":1,"b":2,"c":3})") == "a=1 b=2 c=3");
  CHECK(bench.one(R"({"a":1,"b":2,"c":3,"d":4})") == "0 rows; too-many-fields");
  CHECK(bench.faults[0].detail == "more than 3 fields in one record");
  std::string members = R"({"a":1)";
  for (int i = 0; i < 20; ++i) {
    members += ",\"n" + std::to_string(i) + "\":{}";
  }
  CHECK(bench.one(members + "}") == "0 rows; too-many-fields");
  CHECK(bench.one(R"({"12345678":1})") == "12345678=1");
  CHECK(bench.one(R"({"123456789":1})") == "0 rows; payload-too-large");
  CHECK(bench.one(R"({"1234":{"5678":1}})") == "0 rows; payload-too-large");
  CHECK(bench.one(R"({"12345678":1})") == "12345678=1");
  CHECK(bench.one(R"({"values":{"12345678":1}})") == "12345678=1");
  CHECK(bench.one(R"({"values":{"123456789":1}})") == "0 rows; payload-too-large");
  CHECK(bench.one(R"({"x":1,"values":{"123":1}})") == "0 rows; payload-too-large");
  CHECK(bench.one(R"({"a":"1234"})") == "a='1234'");
  CHECK(bench.one(R"({"a":"12345"})") == "0 rows; payload-too-large");
  CHECK(bench.one("12345", text()) == "0 rows; payload-too-large");
  CHECK(bench.one(R"([{"a":1},{"a":2},{"a":3}])") == "0 rows; whole too-many-records");
  CHECK(bench.one(R"([{},{},{}])") == "0 rows; whole too-many-records");
  CHECK(bench(R"([{"a":1},{"a":2}])").rows == 2);
}

TEST_CASE("after a refused record the next one is whole") {
  ParserLimits limits;
  limits.fields_max = 3;
  Bench bench(limits);
  const ParseSummary summary = bench(
      R"([{"a":[1,2,3,4,5,{"x":[6]}],"z":7},{"b":[8,9]},{"c":{"d":{"e":1e400},"f":1}},{"g":10}])");
  CHECK(summary.rows == 2);
  CHECK(row_text(bench.block, 0) == "b.0=8 b.1=9");
  CHECK(row_text(bench.block, 1) == "g=10");
  CHECK(bench.faults[0].reason == RejectReason::too_many_fields);
  CHECK(bench.faults[1].reason == RejectReason::number_out_of_range);
  CHECK(bench.faults[1].detail == "the number of `c.d.e` is beyond the range of a double");
}

TEST_CASE("a full shape table rejects new shapes and goes on with known ones") {
  model::ShapeTable shapes({.shapes_max = 1});
  Parser parser(shapes);
  model::TelemetryBlock block;
  std::vector<RecordFault> faults;
  for (int round = 0; round < 3; ++round) {
    CHECK(parser.parse({}, Padded(R"({"a":1})").view(), kNow, block, faults).rows == 1);
    CHECK(parser.parse({}, Padded(R"({"b":1})").view(), kNow, block, faults).rejected == 1);
    CHECK(faults.back().reason == RejectReason::too_many_shapes);
  }
}

TEST_CASE("a message becomes one row in the order of its shape, its time consumed") {
  Bench bench;
  CHECK(
      bench.one(
          R"({"ts":1594598424502,"co":0.011737819751470924,"humidity":73.80,"light":false,"wd":"NNW"})") ==
      "co=0.011737819751470924 humidity=73.80 light=false wd='NNW'");
  CHECK(bench.block.rows[0].time_ns == 1'594'598'424'502'000'000);
  CHECK(bench.block.rows[0].source == model::TsSource::device);
  const model::Shape* shape = bench.block.rows[0].shape;
  CHECK(bench.one(R"({"wd":"N","light":true,"humidity":1,"co":2})") ==
        "co=2 humidity=1 light=true wd='N'");
  CHECK(bench.block.rows[0].shape == shape);
  CHECK(bench.block.rows[0].time_ns == kNow * 1'000'000);
  CHECK(bench.block.rows[0].source == model::TsSource::server);
}

TEST_CASE("keys are joined by dots, escaped, and arrays go by index") {
  Bench bench;
  CHECK(bench.one(R"({"a":{"b.c":1,"d\\e":2},"f":[3,[4,{"g":5}],null,6],"":7,"h":{"":8}})") ==
        "=7 a.b\\.c=1 a.d\\\\e=2 f.0=3 f.1.0=4 f.1.1.g=5 f.3=6 h.=8");
  CHECK(bench.one(R"({"PM2.5":4})") == "PM2\\.5=4");
}

TEST_CASE("of a repeated key the last one counts, with all that lies under it") {
  Bench bench;
  CHECK(bench.one(R"({"t":1,"t":2})") == "t=2");
  CHECK(bench.one(R"({"t":1,"u":3,"t":"x"})") == "t='x' u=3");
  CHECK(bench.one(R"({"a":{"b":1,"c":2},"a":{"b":3}})") == "a.b=3");
  CHECK(bench.one(R"({"a":{"b":1},"a":5})") == "a=5");
  CHECK(bench.one(R"({"a":5,"a":{"b":1}})") == "a.b=1");
  CHECK(bench.one(R"({"a":[1,2,3],"a":{"1":4}})") == "a.1=4");
  CHECK(bench.one(R"({"a":1,"b":2,"a":null})") == "b=2");
  CHECK(bench.one(R"({"a":1,"a":2,"a":3,"\u0061":4})") == "a=4");
  CHECK(bench.one(R"({"a":{"b":1},"a.b":2})") == "a.b=1 a\\.b=2");
  CHECK(bench.one(R"({"ts":"bad","a":1,"ts":1594598424502})") == "a=1");
  CHECK(bench.block.rows[0].source == model::TsSource::device);
  CHECK(bench.one(R"({"ts":1594598424502,"a":1,"ts":null})") == "a=1");
  CHECK(bench.block.rows[0].source == model::TsSource::server);
  CHECK(bench.one(R"({"p":{"t":1594598424},"p":{"x":1}})", timed("p.t")) == "p.x=1");
  CHECK(bench.block.rows[0].source == model::TsSource::server);
}

TEST_CASE("what GET answers and exports hold can be posted again") {
  Bench bench;
  CHECK(bench.one(R"({"ts":1451649600512,"values":{"temperature":22.5,"humidity":61}})") ==
        "humidity=61 temperature=22.5");
  CHECK(bench.block.rows[0].time_ns == 1'451'649'600'512'000'000);
  CHECK(
      bench.one(R"({"device":"d","ts":1,"received_ts":2,"ts_source":"device","values":{"a":1}})") ==
      "a=1");
  CHECK(bench.one(R"({"values":{"ts":5,"values":{"b":[6]}}})") == "ts=5 values.b.0=6");
  CHECK(bench.block.rows[0].source == model::TsSource::server);
  // Anything else beside `values` makes it an ordinary object, so that nothing is lost.
  CHECK(bench.one(R"({"ts":1,"values":{"a":1},"unit":"C"})") == "unit='C' values.a=1");
  CHECK(bench.one(R"({"ts":1,"values":[1]})") == "values.0=1");
  CHECK(bench.one(R"({"ts":1,"values":7})") == "values=7");
  CHECK(bench.one(R"({"ts":1,"values":{"a":1},"values":7})") == "values=7");
  CHECK(bench.one(R"({"x":{"ts":1,"values":{"a":1}}})") == "x.ts=1 x.values.a=1");
  CHECK(bench.one(R"({"ts":1451649600,"values":{"a":1}})", timed("Time")) == "a=1");
  CHECK(bench.block.rows[0].time_ns == 1'451'649'600'000'000'000);
  CHECK(bench.one(R"({"ts":true,"values":{"a":1}})", timed("Time")) == "0 rows; timestamp-invalid");
  CHECK(bench.one(R"({"ts":1,"values":{"a":1}})", flat()) == "ts=1 values.a=1");
}

TEST_CASE("with names=path keys are paths already") {
  Bench bench;
  CHECK(bench.one(R"({"ts":1,"values":{"PM2\\.5":4,"ENERGY.Power":5}})", by_path()) ==
        "ENERGY.Power=5 PM2\\.5=4");
  CHECK(bench.one(R"({"a.b":1,"a":{"b":2}})", by_path()) == "a.b=2");
  CHECK(bench.one(R"({"a":{"b":2},"a.b":1})", by_path()) == "a.b=1");
  CHECK(bench.one(R"({"a\\x":1})", by_path()) == "0 rows; payload-not-json");
  CHECK(bench.one(R"({"a\\":1})", by_path()) == "0 rows; payload-not-json");
  CHECK(bench.one(R"({"PM2\\.5":4})") == "PM2\\\\\\.5=4");
}

TEST_CASE("flat keeps everything and takes a time only if the route names it") {
  Bench bench;
  CHECK(bench.one(R"([{"ts":1594598424502,"a":1},2])", flat()) == "0.a=1 0.ts=1594598424502 1=2");
  CHECK(bench.block.rows[0].source == model::TsSource::server);
  CHECK(bench.one(R"({"ts":1594598424502,"a":1})", timed("ts", TimeUnit::ms, Format::flat)) ==
        "a=1 ts=1594598424502");
  CHECK(bench.block.rows[0].time_ns == 1'594'598'424'502'000'000);
  CHECK(bench.one("true", flat()) == "value=true");
}

TEST_CASE("text is taken as it is") {
  Bench bench;
  CHECK(bench.one("ON", text()) == "value='ON'");
  CHECK(bench.one("{\"a\":1}\n", text()) == "value='{\"a\":1}\n'");
  CHECK(bench.one("\xff", text()) == "0 rows; whole invalid-utf8");
}

TEST_CASE("times come from any field, in any unit, exactly") {
  Bench bench;
  CHECK(bench.one(R"({"data":{"temp":31.8},"ts":1594419195.292461})") == "data.temp=31.8");
  CHECK(bench.block.rows[0].time_ns == 1'594'419'195'292'461'000);
  CHECK(bench.one(R"({"Time":"2018-11-15T08:54:18","E":{"P":1}})", timed("Time")) == "E.P=1");
  CHECK(bench.block.rows[0].time_ns == 1'542'272'058'000'000'000);
  CHECK(bench.one(R"({"params":{"ts":1594598424.62,"t":2}})", timed("params.ts")) == "params.t=2");
  CHECK(bench.block.rows[0].time_ns == 1'594'598'424'620'000'000);
  CHECK(bench.one(R"({"a.b":1594598424,"c":1})", timed("a\\.b")) == "c=1");
  CHECK(bench.block.rows[0].time_ns == 1'594'598'424'000'000'000);
  CHECK(bench.one(R"({"ts":"1594598424","c":1})") == "c=1");
  CHECK(bench.block.rows[0].time_ns == 1'594'598'424'000'000'000);
  CHECK(bench.one(R"({"ts":5,"c":1})", timed("")) == "c=1 ts=5");
  CHECK(bench.block.rows[0].source == model::TsSource::server);
  for (const std::string_view bad : {"true", "\"noon\"", "\"\"", "-1", "{\"a\":1}", "[1]"}) {
    CAPTURE(bad);
    CHECK(bench.one("{\"c\":1,\"ts\":" + std::string(bad) + "}") == "0 rows; timestamp-invalid");
  }
  CHECK(bench.faults[0].detail == "`ts` is no time from 1970 on: give epoch seconds, milliseconds "
                                  "or smaller, or RFC 3339 text");
}

TEST_CASE("a time too far ahead is refused, to the millisecond") {
  Bench bench;
  const std::int64_t limit = kNow + 24 * 3600 * 1000;
  CHECK(bench.one("{\"c\":1,\"ts\":" + std::to_string(limit) + "}") == "c=1");
  CHECK(bench.one("{\"c\":1,\"ts\":" + std::to_string(limit + 1) + "}") ==
        "0 rows; timestamp-in-future");
  CHECK(bench.one("{\"c\":1,\"ts\":" + std::to_string(kNow + 3 * 24 * 3600 * 1000) + "}") ==
        "0 rows; timestamp-in-future");
  CHECK(bench.faults[0].detail == "ts is 3 days ahead; the limit is 1 day");
}

TEST_CASE("numbers keep the text that they came with") {
  Bench bench;
  for (const std::string_view number :
       {"0", "-0", "-0.0", "22.50", "1e-7", "1E+05", "5e-324", "1e-400", "1.7976931348623157e308",
        "9223372036854775807", "-9223372036854775807", "9223372036854775808", "0.1",
        "123456789012345678901234567890", "0.000000000000000000000000000001",
        "0.0000000000000000000000000000001", "-273.15", "100000000", "12345678.12345678"}) {
    CAPTURE(number);
    CHECK(bench.one("{\"n\":" + std::string(number) + " }") == "n=" + std::string(number));
    CHECK(bench.one(number) == "value=" + std::string(number));
  }
  CHECK(bench.one("1" + std::string(127, '0')) == "value=1" + std::string(127, '0'));
  CHECK(bench.one("0." + std::string(127, '1')) == "0 rows; number-out-of-range");
  CHECK(bench.one("1e309") == "0 rows; number-out-of-range");
  CHECK(bench.one("-1e309") == "0 rows; number-out-of-range");
  CHECK(bench.one("0.00001e999999999999") == "0 rows; number-out-of-range");
  CHECK(bench.one("0e999") == "value=0e999");
}

TEST_CASE("what is learnt about keys is forgotten before it grows without bound") {
  Bench bench;
  for (int i = 0; i < 30'000; ++i) {
    const std::string key = "k" + std::to_string(i);
    REQUIRE(bench.one("{\"" + key + "\":1,\"same\":2}") == key + "=1 same=2");
  }
  CHECK(bench.one(R"({"k5":1,"same":2})") == "k5=1 same=2");
}

TEST_CASE("rows of many payloads lie one behind the other") {
  Bench bench;
  for (int i = 0; i < 100; ++i) {
    const std::string payload = i % 3 == 0 ? R"({"a":)" + std::to_string(i) + ",\"s\":\"x\\n\"}"
                                           : R"([{"b":)" + std::to_string(i) + "},{\"c\":true}]";
    bench.parser.parse({}, Padded(payload).view(), kNow, bench.block, bench.faults);
  }
  CHECK(bench.block.rows.size() == 34 + 2 * 66);
  CHECK(bench.faults.empty());
  std::size_t end = 0;
  for (const model::Row& row : bench.block.rows) {
    CHECK(row.values_begin == end);
    end += row.values_bytes;
    CHECK(model::row_bytes(*row.shape, bench.block.values_of(row)) == row.values_bytes);
  }
  CHECK(end == bench.block.values.size());
  CHECK(row_text(bench.block, 0) == "a=0 s='x\n'");
}
