// Spate - what a stored record costs: batch commits on a real database, and the codecs alone.
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <random>
#include <string>

#include <benchmark/benchmark.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "engine/base/clock.hpp"
#include "engine/model/row.hpp"
#include "storage/block.hpp"
#include "storage/keys.hpp"
#include "storage/log_codec.hpp"
#include "storage/store_internals.hpp"

namespace {

using namespace spate;
using namespace spate::storage;

constexpr std::uint32_t kDevices = 10'000;
constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kStartNs = 1'700'000'000'000 * kMs;

/// Of all threads of the process.
double cpu_us() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/// Of this thread alone: the committer works on while a block is filled.
double thread_cpu_us() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e6 + static_cast<double>(used.tv_nsec) / 1e3;
}

/// SPATE_BENCH_SHORT shows that it works and measures nothing.
benchmark::IterationCount iterations(benchmark::IterationCount full) {
  return ::getenv("SPATE_BENCH_SHORT") != nullptr ? 20 : full;
}

class TempDir {
public:
  TempDir() {
    const char* base = ::getenv("TMPDIR");
    path_ = std::string(base != nullptr ? base : "/tmp") + "/spate-bench-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) {
      std::abort();
    }
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
  std::string path_;
};

/// Gives the one block back that goes round.
class Turnstile final : public model::ReceiptSink {
public:
  void on_receipt(std::unique_ptr<model::TelemetryBlock> block) override {
    const std::scoped_lock lock(mutex_);
    block_ = std::move(block);
    back_.notify_one();
  }
  std::unique_ptr<model::TelemetryBlock> wait() {
    std::unique_lock lock(mutex_);
    back_.wait(lock, [this] { return block_ != nullptr; });
    return std::move(block_);
  }

private:
  std::mutex mutex_;
  std::condition_variable back_;
  std::unique_ptr<model::TelemetryBlock> block_;
};

/// Readings of a random device order: four numbers with few decimals, a clock of its own for each
/// device.
class Fleet {
public:
  Fleet(model::ShapeTable& shapes, std::uint32_t devices)
      : shape_(shapes.intern({{"hum", model::ValueClass::number},
                              {"lux", model::ValueClass::number},
                              {"temp", model::ValueClass::number},
                              {"volt", model::ValueClass::number}})),
        numbers_(devices), names_(devices), walk_(devices) {
    for (std::uint32_t i = 0; i < devices; ++i) {
      names_[i] = "device-" + std::to_string(100'000 + i);
    }
  }

  void fill(model::TelemetryBlock& block, std::size_t rows) {
    block.clear();
    for (std::size_t i = 0; i < rows; ++i) {
      now_ms_ += 1;
      order_.push_back(static_cast<std::uint32_t>(random_() % numbers_.size()));
      const std::uint32_t device = order_.back();
      model::Message message;
      message.device = numbers_[device];
      if (message.device == model::DeviceNumber::unknown) {
        message.name_begin = static_cast<std::uint32_t>(block.names.size());
        message.name_bytes = static_cast<std::uint32_t>(names_[device].size());
        block.names += names_[device];
      }
      message.rows_begin = static_cast<std::uint32_t>(i);
      message.rows = 1;
      message.received_ms = now_ms_ + 40;
      model::Row row;
      row.shape = shape_;
      row.time_ns = now_ms_ * kMs;
      row.source = model::TsSource::device;
      row.values_begin = static_cast<std::uint32_t>(block.values.size());
      auto& walk = walk_[device];
      walk = static_cast<std::int16_t>(walk + static_cast<int>(random_() % 7) - 3);
      model::append_decimal(block.values, {450 + walk, 1});
      model::append_decimal(block.values, {1200 + 3 * walk, 0});
      model::append_decimal(block.values, {2150 + walk, 2});
      model::append_decimal(block.values, {367 + walk % 5, 2});
      row.values_bytes = static_cast<std::uint32_t>(block.values.size()) - row.values_begin;
      block.rows.push_back(row);
      block.messages.push_back(message);
    }
  }
  void learn(const model::TelemetryBlock& block) {
    for (std::size_t i = 0; i < block.messages.size(); ++i) {
      numbers_[order_[i]] = block.messages[i].device;
    }
    order_.clear();
  }
  [[nodiscard]] const std::string& name(std::uint32_t device) const { return names_[device]; }

private:
  const model::Shape* shape_;
  std::vector<model::DeviceNumber> numbers_;
  std::vector<std::string> names_;
  std::vector<std::int16_t> walk_;
  std::vector<std::uint32_t> order_;
  std::int64_t now_ms_ = kStartNs / kMs;
  std::minstd_rand random_{42};
};

/// Reads everything back; a benchmark that lost a record has measured nothing.
std::uint64_t count_all(Store& store, const Fleet& fleet, std::uint32_t devices) {
  std::uint64_t rows = 0;
  for (std::uint32_t i = 0; i < devices; ++i) {
    ScanRequest request;
    request.device = fleet.name(i);
    request.limit = 100'000;
    if (const auto page = store.scan(request)) {
      rows += page->records.size();
    }
  }
  return rows;
}

void commit(benchmark::State& state) {
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
  if (stats.rows_stored != stored || count_all(**store, fleet, devices) != stored) {
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
  benchmark::RegisterBenchmark("commit", commit)
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

std::vector<RowView> sample_rows(std::string& values, std::size_t count) {
  values.clear();
  for (int field = 0; field < 4; ++field) {
    model::append_decimal(values, {2150 + field, 2});
  }
  std::vector<RowView> rows;
  for (std::size_t i = 0; i < count; ++i) {
    const auto ms = kStartNs / kMs + static_cast<std::int64_t>(i) * 1000;
    rows.push_back({ms * kMs, ms + 40, 1 + i * 10'000, model::TsSource::device, values});
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
      encoder.add(1234, 1, false, row);
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
    encoder.add(1234, 1, false, row);
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

void block_encode(benchmark::State& state) {
  std::string values;
  const auto rows = sample_rows(values, 64);
  std::string out;
  for (auto _ : state) {
    out.clear();
    encode_block(out, rows);
    benchmark::DoNotOptimize(out.data());
  }
  std::vector<RowView> back;
  if (!decode_block(out, back) || back.size() != rows.size()) {
    state.SkipWithError("the block does not give back what was put in");
  }
  state.counters["B/row"] = static_cast<double>(out.size()) / static_cast<double>(rows.size());
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * rows.size()));
}
BENCHMARK(block_encode);

void block_decode(benchmark::State& state) {
  std::string values;
  const auto rows = sample_rows(values, 64);
  std::string block;
  encode_block(block, rows);
  std::vector<RowView> back;
  for (auto _ : state) {
    back.clear();
    if (!decode_block(block, back) || back.size() != rows.size()) {
      state.SkipWithError("rows are missing");
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * rows.size()));
}
BENCHMARK(block_decode);

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
