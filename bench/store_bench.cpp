// Spate - what a stored record costs: batch commits on a real database, and the log's codec
// alone.
#include <string>

#include <benchmark/benchmark.h>
#include <stdlib.h>

#include "bench/store/parts.hpp"
#include "engine/base/clock.hpp"
#include "engine/model/row.hpp"
#include "storage/keys.hpp"
#include "storage/log_codec.hpp"
#include "storage/store_internals.hpp"

namespace {

using namespace spate;
using namespace spate::bench;
using namespace spate::storage;

constexpr std::uint32_t kDevices = 10'000;
constexpr std::int64_t kMs = kMsNs;
constexpr std::int64_t kStartNs = kStartMs * kMsNs;

/// SPATE_BENCH_SHORT shows that it works and measures nothing.
benchmark::IterationCount iterations(benchmark::IterationCount full) {
  return ::getenv("SPATE_BENCH_SHORT") != nullptr ? 20 : full;
}

void commit_rows(benchmark::State& state) {
  const auto rows = static_cast<std::size_t>(state.range(0));
  const auto devices = static_cast<std::uint32_t>(state.range(2));
  TempDir dir;
  model::ShapeTable shapes;
  StoreOptions options;
  options.data_dirs = {dir.path() + "/a"};
  options.shards = 1;
  options.durability = static_cast<Durability>(state.range(1));
  options.disk_free_min_bytes = 1;
  options.commit_interval_us = 0; // The default spares syncs by waiting for more rows.
  StoreInternals internals;
  internals.now_ms = [] { return kStartNs / kMs; }; // The fleet's time, or all its rows were old.
  auto store = open_store(options, shapes, internals);
  if (!store) {
    state.SkipWithError(store.error().detail.c_str());
    return;
  }
  Fleet fleet(shapes, devices);
  Turnstile turnstile;
  auto block = std::make_unique<model::TelemetryBlock>();
  block->sink = &turnstile;
  std::uint64_t stored = 0;
  double cpu = 0;
  double generating = 0;
  double before = cpu_us();
  for (auto _ : state) {
    const double start = thread_cpu_us();
    fleet.fill(*block, rows);
    const double filled = thread_cpu_us();
    const std::int64_t submitted_ns = steady_ns();
    (*store)->submit(std::move(block));
    block = turnstile.wait();
    state.SetIterationTime(static_cast<double>(steady_ns() - submitted_ns) / 1e9);
    const double back = thread_cpu_us();
    fleet.learn(*block);
    generating += filled - start + (thread_cpu_us() - back);
    stored += rows;
    if (block->status != model::CommitStatus::committed) {
      state.SkipWithError(block->status_detail.c_str());
      break;
    }
  }
  cpu = cpu_us() - before - generating;
  const StoreStats stats = (*store)->stats();
  if (stats.rows_stored != stored || count_all(**store, fleet) != stored) {
    state.SkipWithError("records are missing");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(stored));
  state.counters["cpu_us/row"] = cpu / static_cast<double>(stored);
  state.counters["log_B/row"] = static_cast<double>(stats.log_bytes) / static_cast<double>(stored);
  state.counters["commit_p99_us"] = static_cast<double>(stats.sync_us.quantile(0.99));
  (*store)->stop();
}

constexpr auto kOs = static_cast<std::int64_t>(Durability::os);
constexpr auto kFsync = static_cast<std::int64_t>(Durability::fsync);
/// The time of an iteration is that from submit() to the receipt.
void register_commit(std::int64_t rows, std::int64_t durability,
                     benchmark::IterationCount full_iterations) {
  benchmark::RegisterBenchmark("commit", commit_rows)
      ->ArgNames({"rows", "durability", "devices"})
      ->Args({rows, durability, kDevices})
      ->Iterations(iterations(full_iterations))
      ->Unit(benchmark::kMicrosecond)
      ->UseManualTime();
}

void register_commits() {
  register_commit(20, kOs, 50'000);
  register_commit(200, kOs, 10'000);
  register_commit(2000, kOs, 1'000);
  register_commit(20, kFsync, 3'000);
  register_commit(200, kFsync, 3'000);
  register_commit(2000, kFsync, 500);
}

const model::Shape& sample_shape() {
  static model::ShapeTable shapes;
  return *shapes.intern({{"a", model::ValueClass::number},
                         {"b", model::ValueClass::number},
                         {"c", model::ValueClass::number},
                         {"d", model::ValueClass::number}});
}

std::vector<RowView> sample_rows(std::string& values, std::size_t count) {
  values.clear();
  for (int field = 0; field < 4; ++field) {
    model::append_decimal(values, {2150 + field, 2});
  }
  std::vector<RowView> rows;
  for (std::size_t i = 0; i < count; ++i) {
    const auto ms = kStartNs / kMs + static_cast<std::int64_t>(i) * 1000;
    rows.push_back({ms * kMs, ms + 40, model::TsSource::device, values});
  }
  return rows;
}

void log_encode(benchmark::State& state) {
  std::string values;
  const auto rows = sample_rows(values, 200);
  LogEncoder encoder;
  for (auto _ : state) {
    encoder.begin(1, rows[0].time_ns, rows[0].received_ms, {});
    for (const RowView& row : rows) {
      encoder.add(1234, 1, false, sample_shape(), row);
    }
    benchmark::DoNotOptimize(encoder.bytes().data());
  }
  LogDecoder decoder;
  LogRow row;
  std::size_t read = 0;
  for (bool ok = decoder.begin(encoder.bytes()); ok && decoder.next_row(row);) {
    read += row.row.time_ns == rows[read].time_ns ? 1 : 0;
  }
  if (read != rows.size()) {
    state.SkipWithError("the log does not give back what was put in");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * rows.size()));
}
BENCHMARK(log_encode);

void log_decode(benchmark::State& state) {
  std::string values;
  const auto rows = sample_rows(values, 200);
  LogEncoder encoder;
  encoder.begin(1, rows[0].time_ns, rows[0].received_ms, {});
  for (const RowView& row : rows) {
    encoder.add(1234, 1, false, sample_shape(), row);
  }
  std::size_t read = 0;
  for (auto _ : state) {
    LogDecoder decoder;
    LogRow row;
    for (bool ok = decoder.begin(encoder.bytes()); ok && decoder.next_row(row);) {
      ++read;
    }
  }
  if (read != rows.size() * state.iterations()) {
    state.SkipWithError("rows are missing");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(read));
}
BENCHMARK(log_decode);

void key_encode(benchmark::State& state) {
  std::string out;
  std::uint32_t device = 0;
  for (auto _ : state) {
    out.clear();
    append_block_key(out, {++device, 7, BlockKind::main, kStartNs + device, device});
    benchmark::DoNotOptimize(out.data());
  }
  BlockKey key;
  if (!parse_block_key(out, key) || key.device != device || key.last_time_ns != kStartNs + device) {
    state.SkipWithError("the key does not give back what was put in");
  }
}
BENCHMARK(key_encode);

} // namespace

int main(int argc, char** argv) {
  register_commits();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
