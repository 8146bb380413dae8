// What columnar blocks cost to write and to read. `--bytes FILE.ndjson.gz...` measures instead how
// small real telemetry becomes: lines {"d":<device>,"t":<epoch ms>,"p":{<payload>}}.
#include <benchmark/benchmark.h>
#include <zlib.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/columnar/block.hpp"
#include "engine/telemetry/parser.hpp"

namespace {

using namespace spate;
using columnar::BlockEncoder;
using columnar::BlockReader;
using columnar::Heads;
using columnar::Row;

constexpr std::int64_t kNsPerMs = 1'000'000;

/// Rows of one device and shape.
struct Series {
  std::vector<std::string> values;
  std::vector<Row> rows;
};
using SeriesByName = std::map<std::pair<std::string, const model::Shape*>, Series>;

/// What is between `begin` and the next `end` in `line`, which is stepped over.
std::string_view part(std::string_view& line, std::string_view begin, std::string_view end) {
  const std::size_t from = line.find(begin);
  if (from == std::string_view::npos) {
    return {};
  }
  line.remove_prefix(from + begin.size());
  const std::string_view found = line.substr(0, line.find(end));
  line.remove_prefix(found.size());
  return found;
}

/// False if the file can not be read.
bool read_set(const char* path, model::ShapeTable& shapes, SeriesByName& out) {
  const gzFile file = gzopen(path, "rb");
  if (file == nullptr) {
    return false;
  }
  telemetry::Parser parser(shapes);
  model::TelemetryBlock block;
  std::vector<telemetry::RecordFault> faults;
  const telemetry::Route route;
  std::vector<char> buffer(1u << 20);
  while (gzgets(file, buffer.data(), static_cast<int>(buffer.size())) != nullptr) {
    std::string_view line(buffer.data());
    const std::string device(part(line, "\"d\":\"", "\""));
    const std::int64_t time_ms = std::stoll(std::string(part(line, "\"t\":", ",")));
    line.remove_prefix(std::min(line.size(), line.find("\"p\":") + 4));
    line = line.substr(0, line.rfind('}')); // The end of the line's own object.
    block.clear();
    std::string payload(line);
    payload.append(json::Reader::kPaddingBytes, '\0');
    parser.parse(route, std::string_view(payload).substr(0, line.size()), time_ms, block, faults);
    for (const model::Row& row : block.rows) {
      Series& series = out[{device, row.shape}];
      series.values.emplace_back(block.values_of(row));
      series.rows.push_back({time_ms * kNsPerMs, time_ms, model::TsSource::device, {}});
    }
  }
  gzclose(file);
  for (auto& [name, series] : out) {
    for (std::size_t i = 0; i < series.rows.size(); ++i) {
      series.rows[i].values = series.values[i];
    }
  }
  return true;
}

struct Cost {
  std::size_t readings = 0;
  std::size_t rows = 0;
  std::size_t blocks = 0;
  std::size_t bytes = 0;
  double encode_s = 0;
  double decode_s = 0;
  bool exact = true;
};

Cost cost_of(const SeriesByName& set, std::size_t rows_max, Heads heads, bool jitter) {
  using Clock = std::chrono::steady_clock;
  Cost cost;
  BlockEncoder encoder;
  std::mt19937_64 random(1);
  std::string block;
  std::vector<Row> decoded;
  std::string arena;
  for (const auto& [name, series] : set) {
    const model::Shape& shape = *name.second;
    for (std::size_t begin = 0; begin < series.rows.size(); begin += rows_max) {
      const std::size_t end = std::min(begin + rows_max, series.rows.size());
      std::vector<Row> rows(series.rows.begin() + static_cast<long>(begin),
                            series.rows.begin() + static_cast<long>(end));
      for (Row& row : rows) {
        row.received_ms += jitter ? 5 + static_cast<std::int64_t>(random() % 76) : 0;
      }
      block.clear();
      const auto start = Clock::now();
      encoder.encode(shape, rows, heads, block);
      const auto encoded = Clock::now();
      const auto reader = BlockReader::open(shape, block);
      decoded.clear();
      arena.clear();
      cost.exact = cost.exact && reader && reader->all(decoded, arena);
      const auto done = Clock::now();
      for (std::size_t i = 0; cost.exact && i < rows.size(); ++i) {
        cost.exact = decoded[i].time_ns == rows[i].time_ns && decoded[i].values == rows[i].values &&
                     decoded[i].received_ms == rows[i].received_ms;
      }
      cost.encode_s += std::chrono::duration<double>(encoded - start).count();
      cost.decode_s += std::chrono::duration<double>(done - encoded).count();
      cost.readings += rows.size() * shape.fields().size();
      cost.rows += rows.size();
      cost.bytes += block.size();
      ++cost.blocks;
    }
  }
  return cost;
}

int print_bytes(int count, char** paths) {
  std::printf("%-16s %8s %8s %6s | %8s %8s | %8s %8s | %9s | %9s %9s\n", "set", "readings", "rows",
              "blocks", "B/read", "B/row", "enc ns", "dec ns", "receive", "64-row", "enc ns");
  for (int i = 0; i < count; ++i) {
    model::ShapeTable shapes;
    SeriesByName set;
    if (!read_set(paths[i], shapes, set)) {
      std::fprintf(stderr, "%s can not be read\n", paths[i]);
      return 1;
    }
    std::string_view name(paths[i]);
    name = name.substr(name.rfind('/') + 1);
    name = name.substr(0, name.find('.'));
    const Cost plain = cost_of(set, 2048, Heads::with, false);
    const Cost received = cost_of(set, 2048, Heads::with, true);
    const Cost small = cost_of(set, 64, Heads::without, false);
    const auto per = [](double value, std::size_t by) { return value / static_cast<double>(by); };
    std::printf("%-16.*s %8zu %8zu %6zu | %8.4f %8.3f | %8.1f %8.1f | %7.3f/r | %9.4f %9.1f%s\n",
                static_cast<int>(name.size()), name.data(), plain.readings, plain.rows,
                plain.blocks, per(static_cast<double>(plain.bytes), plain.readings),
                per(static_cast<double>(plain.bytes), plain.rows),
                per(plain.encode_s * 1e9, plain.readings),
                per(plain.decode_s * 1e9, plain.readings),
                per(static_cast<double>(received.bytes - plain.bytes), plain.rows),
                per(static_cast<double>(small.bytes), small.readings),
                per(small.encode_s * 1e9, small.readings),
                plain.exact && received.exact && small.exact ? "" : "  NOT EXACT");
    if (!plain.exact || !received.exact || !small.exact) {
      return 1;
    }
  }
  return 0;
}

/// Four number fields of few decimals that wander.
struct Sample {
  model::ShapeTable shapes;
  const model::Shape* shape;
  Series series;

  explicit Sample(std::size_t rows) {
    using model::ValueClass;
    shape = shapes.intern({{"co", ValueClass::number},
                           {"humidity", ValueClass::number},
                           {"pressure", ValueClass::number},
                           {"temp", ValueClass::number}});
    std::mt19937_64 random(1);
    std::int64_t time_ms = 1'594'598'424'502;
    std::int64_t value[4] = {117, 738, 101'325, 2250};
    const std::uint8_t scale[4] = {4, 1, 2, 2};
    for (std::size_t i = 0; i < rows; ++i) {
      std::string bytes;
      for (std::size_t f = 0; f < 4; ++f) {
        value[f] += static_cast<std::int64_t>(random() % 11) - 5;
        model::append_decimal(bytes, {value[f], scale[f]});
      }
      series.values.push_back(bytes);
      time_ms += 4'900 + static_cast<std::int64_t>(random() % 200);
      const std::int64_t received = time_ms + 5 + static_cast<std::int64_t>(random() % 76);
      series.rows.push_back({time_ms * kNsPerMs, received, model::TsSource::device, {}});
    }
    for (std::size_t i = 0; i < rows; ++i) {
      series.rows[i].values = series.values[i];
    }
  }
};

void encode(benchmark::State& state) {
  const Sample sample(static_cast<std::size_t>(state.range(0)));
  const Heads heads = state.range(1) != 0 ? Heads::with : Heads::without;
  BlockEncoder encoder;
  std::string block;
  for (auto _ : state) {
    block.clear();
    encoder.encode(*sample.shape, sample.series.rows, heads, block);
    benchmark::DoNotOptimize(block.data());
  }
  std::vector<Row> rows;
  std::string arena;
  const auto reader = BlockReader::open(*sample.shape, block);
  if (!reader || !reader->all(rows, arena) || rows.back().values != sample.series.values.back()) {
    state.SkipWithError("other rows came back");
  }
  const auto values = state.iterations() * state.range(0) * 4;
  state.SetItemsProcessed(values);
  state.counters["bytes_per_value"] =
      static_cast<double>(block.size()) / static_cast<double>(state.range(0) * 4);
}
BENCHMARK(encode)->ArgNames({"rows", "heads"})->Args({64, 0})->Args({2048, 1});

/// range(0): rows; range(1): 0 one number column, 1 times, 2 all rows.
void decode(benchmark::State& state) {
  const Sample sample(static_cast<std::size_t>(state.range(0)));
  BlockEncoder encoder;
  std::string block;
  encoder.encode(*sample.shape, sample.series.rows,
                 state.range(2) != 0 ? Heads::with : Heads::without, block);
  columnar::NumberColumn column;
  std::vector<std::int64_t> times;
  std::vector<Row> rows;
  std::string arena;
  bool good = true;
  const auto reader = BlockReader::open(*sample.shape, block);
  for (auto _ : state) {
    switch (state.range(1)) {
    case 0:
      good = good && reader->numbers(3, column);
      benchmark::DoNotOptimize(column.mantissas.data());
      break;
    case 1:
      good = good && reader->times(times);
      benchmark::DoNotOptimize(times.data());
      break;
    default:
      rows.clear();
      arena.clear();
      good = good && reader->all(rows, arena);
      benchmark::DoNotOptimize(rows.data());
      break;
    }
  }
  if (!good) {
    state.SkipWithError("not readable");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0) * (state.range(1) == 2 ? 4 : 1));
}
BENCHMARK(decode)
    ->ArgNames({"rows", "what", "heads"})
    ->Args({2048, 0, 0})
    ->Args({2048, 0, 1})
    ->Args({2048, 1, 1})
    ->Args({2048, 2, 0})
    ->Args({2048, 2, 1})
    ->Args({64, 2, 0});

} // namespace

int main(int argc, char** argv) {
  if (argc > 2 && std::strcmp(argv[1], "--bytes") == 0) {
    return print_bytes(argc - 2, argv + 2);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
