// What one payload costs, from bytes to rows; and the parts of it. Each run checks the rows it
// made.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/json/reader.hpp"
#include "engine/model/row.hpp"
#include "engine/telemetry/parser.hpp"
#include "engine/telemetry/route.hpp"

namespace {

using namespace spate;

constexpr std::int64_t kNow = 1'594'598'430'000;

// env-mqtt (garystafford/aws-iot-analytics-demo, MIT) and the Beijing set (UCI 501, CC BY 4.0): one
// line each.
constexpr std::string_view kEnvMqtt =
    R"({"ts":1594598424502,"co":0.011737819751470924,"humidity":73.80000305175781,"light":false,)"
    R"("lpg":0.014275626163619557,"motion":false,"smoke":0.039739889499066566,"temp":18.899999618530273})";
constexpr std::string_view kBeijing =
    R"({"ts":1362067200000,"PM2.5":4,"PM10":4,"SO2":4,"NO2":7,"CO":300,"O3":77,"TEMP":-0.7,"PRES":1023,)"
    R"("DEWP":-18.8,"RAIN":0,"wd":"NNW","WSPM":4.4})";
constexpr std::string_view kTypical =
    R"({"ts":1594598424502,"temp":18.9,"humidity":73.8,"co":0.0117,"light":false})";
constexpr std::string_view kSmall = R"({"temp":21.7})";
constexpr std::string_view kTasmota =
    R"({"Time":"2018-11-15T08:54:18","ENERGY":{"TotalStartTime":"2018-11-14T18:39:40","Total":6.404,)"
    R"("Yesterday":5.340,"Today":1.064,"Power":2629,"ApparentPower":2645,"ReactivePower":288,)"
    R"("Factor":0.99,"Voltage":226,"Current":11.677}})";
constexpr std::string_view kRecordForm =
    R"({"ts":1594598424502,"values":{"temp":18.9,"humidity":73.8,"co":0.0117,"light":false}})";

// What must come out of them.
constexpr std::string_view kEnvMqttValues =
    "co=0.011737819751470924 humidity=73.80000305175781 light=false lpg=0.014275626163619557 "
    "motion=false smoke=0.039739889499066566 temp=18.899999618530273";
constexpr std::string_view kBeijingValues =
    "CO=300 DEWP=-18.8 NO2=7 O3=77 PM10=4 PM2\\.5=4 PRES=1023 RAIN=0 SO2=4 TEMP=-0.7 WSPM=4.4 "
    "wd=NNW";
constexpr std::string_view kTypicalValues = "co=0.0117 humidity=73.8 light=false temp=18.9";
constexpr std::string_view kTasmotaValues =
    "ENERGY.ApparentPower=2645 ENERGY.Current=11.677 ENERGY.Factor=0.99 ENERGY.Power=2629 "
    "ENERGY.ReactivePower=288 ENERGY.Today=1.064 ENERGY.Total=6.404 "
    "ENERGY.TotalStartTime=2018-11-14T18:39:40 ENERGY.Voltage=226 ENERGY.Yesterday=5.340";

std::string batch_of_10() {
  std::string out = "[";
  for (int i = 0; i < 10; ++i) {
    out.append(i == 0 ? "" : ",").append(kTypical);
  }
  return out + "]";
}

class Padded {
public:
  explicit Padded(std::string_view text)
      : size_(text.size()), bytes_(new char[text.size() + json::Reader::kPaddingBytes]()) {
    std::memcpy(bytes_.get(), text.data(), text.size());
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }

private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

/// "path=value" of all fields, in the order of the shape; numbers as they were sent.
std::string text_of(const model::TelemetryBlock& block, const model::Row& row) {
  struct Text {
    std::string& out;
    void operator()(model::Decimal value) const { model::append_text(out, value); }
    void operator()(model::NumberText value) const { out.append(value.text); }
    void operator()(bool value) const { out.append(value ? "true" : "false"); }
    void operator()(std::string_view value) const { out.append(value); }
  };
  std::string out;
  model::RowReader reader(*row.shape, block.values_of(row));
  for (model::Value value; reader.next(value);) {
    out.append(out.empty() ? "" : " ").append(row.shape->fields()[reader.field()].path) += '=';
    std::visit(Text{out}, value);
  }
  return reader.corrupt() ? "corrupt" : out;
}

/// Whether the block holds `rows` rows of exactly these values.
bool rows_are(const model::TelemetryBlock& block, std::size_t rows, std::string_view values) {
  const auto right = [&](const model::Row& row) { return text_of(block, row) == values; };
  return block.rows.size() == rows && std::all_of(block.rows.begin(), block.rows.end(), right);
}

void parse(benchmark::State& state, std::string_view payload, std::size_t rows,
           std::string_view values, telemetry::Route route = {}) {
  model::ShapeTable shapes;
  telemetry::Parser parser(shapes);
  model::TelemetryBlock block;
  std::vector<telemetry::RecordFault> faults;
  const Padded padded(payload);
  for (auto _ : state) {
    block.clear();
    benchmark::DoNotOptimize(parser.parse(route, padded.view(), kNow, block, faults));
  }
  if (!faults.empty() || !rows_are(block, rows, values)) {
    state.SkipWithError("wrong rows");
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * payload.size()));
}

void two_shapes_in_turn(benchmark::State& state) {
  model::ShapeTable shapes;
  telemetry::Parser parser(shapes);
  model::TelemetryBlock block;
  std::vector<telemetry::RecordFault> faults;
  const telemetry::Route route;
  const Padded padded[] = {Padded(kEnvMqtt), Padded(kTypical)};
  std::size_t turn = 0;
  for (auto _ : state) {
    block.clear();
    benchmark::DoNotOptimize(parser.parse(route, padded[turn ^= 1].view(), kNow, block, faults));
  }
  if (!faults.empty() || !rows_are(block, 1, turn == 0 ? kEnvMqttValues : kTypicalValues)) {
    state.SkipWithError("wrong rows");
  }
}

/// The JSON part alone.
void read_tokens(benchmark::State& state, std::string_view payload, std::size_t tokens) {
  json::Reader reader;
  const Padded padded(payload);
  std::size_t seen = 0;
  for (auto _ : state) {
    seen = 0;
    for (json::Token t = reader.open(padded.view()); t != json::Token::end; t = reader.next()) {
      if (t == json::Token::fault) {
        break;
      }
      ++seen;
    }
    benchmark::DoNotOptimize(seen);
  }
  if (seen != tokens) {
    state.SkipWithError("wrong tokens");
  }
}

void match_route(benchmark::State& state, const char* pattern, std::string_view topic,
                 std::string_view device) {
  telemetry::RouteTable table;
  if (pattern != nullptr) {
    telemetry::Route route;
    route.pattern = pattern;
    table = std::move(*telemetry::RouteTable::compile({route}));
  }
  telemetry::RouteMatch match;
  for (auto _ : state) {
    match = table.match(topic, "client");
    benchmark::DoNotOptimize(match);
  }
  if (match.route == nullptr || match.device != device) {
    state.SkipWithError("wrong device");
  }
}

/// The values of an env-mqtt row, read one by one.
void read_row(benchmark::State& state) {
  model::ShapeTable shapes;
  telemetry::Parser parser(shapes);
  model::TelemetryBlock block;
  std::vector<telemetry::RecordFault> faults;
  parser.parse({}, Padded(kEnvMqtt).view(), kNow, block, faults);
  const model::Row& row = block.rows[0];
  std::size_t values = 0;
  for (auto _ : state) {
    model::RowReader reader(*row.shape, block.values_of(row));
    model::Value value;
    values = 0;
    while (reader.next(value)) {
      benchmark::DoNotOptimize(value);
      ++values;
    }
  }
  if (values != 7) {
    state.SkipWithError("wrong values");
  }
}

/// Of the values of one payload.
std::uint64_t hash_of(model::ShapeTable& shapes, std::string_view payload) {
  telemetry::Parser parser(shapes);
  model::TelemetryBlock block;
  std::vector<telemetry::RecordFault> faults;
  parser.parse({}, Padded(payload).view(), kNow, block, faults);
  return model::hash_values(*block.rows.at(0).shape, block.values_of(block.rows[0]));
}

void hash_row(benchmark::State& state) {
  model::ShapeTable shapes;
  telemetry::Parser parser(shapes);
  model::TelemetryBlock block;
  std::vector<telemetry::RecordFault> faults;
  parser.parse({}, Padded(kTypical).view(), kNow, block, faults);
  const model::Row& row = block.rows[0];
  std::uint64_t hash = 0;
  for (auto _ : state) {
    hash = model::hash_values(*row.shape, block.values_of(row));
    benchmark::DoNotOptimize(hash);
  }
  // The same in another order and with another number of zeros; then with one digit changed.
  if (hash != hash_of(shapes, R"({"light":false,"co":0.01170,"temp":18.90,"humidity":73.8})") ||
      hash == hash_of(shapes, R"({"light":false,"co":0.0117,"temp":18.8,"humidity":73.8})")) {
    state.SkipWithError("wrong hash");
  }
}

telemetry::Route tasmota_route() {
  telemetry::Route route;
  route.pattern = "tele/{device}/SENSOR";
  route.time_field = "Time";
  return route;
}

BENCHMARK_CAPTURE(parse, env_mqtt, kEnvMqtt, 1, kEnvMqttValues);
BENCHMARK_CAPTURE(parse, beijing, kBeijing, 1, kBeijingValues);
BENCHMARK_CAPTURE(parse, typical, kTypical, 1, kTypicalValues);
BENCHMARK_CAPTURE(parse, small, kSmall, 1, "temp=21.7");
BENCHMARK_CAPTURE(parse, tasmota, kTasmota, 1, kTasmotaValues, tasmota_route());
BENCHMARK_CAPTURE(parse, record_form, kRecordForm, 1, kTypicalValues);
BENCHMARK_CAPTURE(parse, batch_of_10, batch_of_10(), 10, kTypicalValues);
BENCHMARK(two_shapes_in_turn);
BENCHMARK_CAPTURE(read_tokens, env_mqtt, kEnvMqtt, 18);
BENCHMARK_CAPTURE(read_tokens, small, kSmall, 4);
BENCHMARK_CAPTURE(match_route, default, nullptr, "devices/iot-device-01/telemetry",
                  "iot-device-01");
BENCHMARK_CAPTURE(match_route, wildcards, "a/+/{device}/#", "a/b/iot-device-01/x/y",
                  "iot-device-01");
BENCHMARK(read_row);
BENCHMARK(hash_row);

} // namespace
