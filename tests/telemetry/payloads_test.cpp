// The parse-compatibility set: what real devices and platforms send (data/SOURCES.md).
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <map>
#include <string>

#include "tests/telemetry/fixture.hpp"

using namespace spate;
using namespace spate::telemetry;
using namespace spate::telemetry::test;
using Json = nlohmann::json;

namespace {

Json value_of(const model::Value& value) {
  if (const auto* decimal = std::get_if<model::Decimal>(&value)) {
    std::string text;
    model::append_text(text, *decimal);
    return Json::parse(text);
  }
  if (const auto* text = std::get_if<model::NumberText>(&value)) {
    return Json::parse(text->text);
  }
  if (const auto* boolean = std::get_if<bool>(&value)) {
    return *boolean;
  }
  return std::get<std::string_view>(value);
}

std::map<std::string, Json> values_of(const model::TelemetryBlock& block, const model::Row& row) {
  std::map<std::string, Json> out;
  model::RowReader reader(*row.shape, block.values_of(row));
  model::Value value;
  while (reader.next(value)) {
    const bool fresh =
        out.emplace(row.shape->fields()[reader.field()].path, value_of(value)).second;
    CHECK(fresh);
  }
  CHECK_FALSE(reader.corrupt());
  return out;
}

} // namespace

TEST_CASE("every payload of the compatibility set is read as it says, in the formats it names") {
  std::ifstream file(std::string(SPATE_SOURCE_DIR) + "/tests/telemetry/data/payloads.ndjson");
  std::string line;
  int lines = 0;
  int checked = 0;
  while (std::getline(file, line)) {
    ++lines;
    const Json entry = Json::parse(line);
    CAPTURE(entry["name"].get<std::string>());
    const auto payload = entry["payload"].get<std::string>();
    Bench bench;
    Route route;

    route.format = *format_of(entry["expect_format"].get<std::string>());
    const ParseSummary summary = bench(route, payload);
    ++checked;
    if (entry.value("reject", false)) {
      CHECK(summary.rows == 0);
      CHECK(summary.whole);
      CHECK(bench.block.values.empty());
      CHECK(bench.faults.at(0).reason == model::RejectReason::payload_not_json);
    } else if (entry["expect"].empty()) {
      CHECK(summary.rows == 0);
      CHECK(bench.faults.at(0).reason == model::RejectReason::no_values);
    } else {
      REQUIRE(summary.rows == 1);
      CHECK(summary.rejected == 0);
      const auto expected = entry["expect"].get<std::map<std::string, Json>>();
      CHECK(values_of(bench.block, bench.block.rows[0]) == expected);
    }

    const auto format = format_of(entry.value("points_format", "-"));
    if (!format) {
      continue; // Its decoder is not part of this one.
    }
    route.format = *format;
    bench(route, payload);
    ++checked;
    Json points = Json::array();
    for (const model::Row& row : bench.block.rows) {
      for (const auto& [path, value] : values_of(bench.block, row)) {
        const bool timed = row.source == model::TsSource::device;
        points.push_back({{"device", nullptr},
                          {"ts", timed ? Json(row.time_ns / 1'000'000) : Json(nullptr)},
                          {"path", path},
                          {"value", value}});
      }
    }
    Json expected = entry["points"];
    std::sort(points.begin(), points.end());
    std::sort(expected.begin(), expected.end());
    CHECK(points == expected);
  }
  CHECK(lines == 43);
  CHECK(checked == 48);
}
