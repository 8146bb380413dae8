// What it costs to find who takes a message, and to subscribe.
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <malloc.h>

#include "engine/routing/index.hpp"

namespace {

using namespace spate::routing;

struct Count final : Visitor {
  std::size_t matches = 0;
  void on_match(const Subscription&) override { ++matches; }
  void on_match(const ShareGroup&) override { ++matches; }
};

Change change(std::string_view filter, std::uint64_t session) {
  Change out;
  out.filter = filter;
  out.subscriber = new Subscriber(session);
  return out;
}

/// Each device's session takes its own commands.
void subscribe_devices(Index& index, std::size_t devices) {
  for (std::size_t i = 0; i < devices; ++i) {
    index.apply({change("devices/" + std::to_string(i) + "/commands/#", i + 1)});
  }
}

std::vector<std::string> topics(std::size_t devices) {
  std::mt19937 random(1);
  std::vector<std::string> out;
  for (int i = 0; i < 4096; ++i) {
    out.push_back("devices/" + std::to_string(random() % devices) + "/telemetry");
  }
  return out;
}

/// Telemetry of 100,000 devices; range(0): that many have a subscription of their own; range(1):
/// applications on `#`.
void match(benchmark::State& state) {
  Index index;
  subscribe_devices(index, static_cast<std::size_t>(state.range(0)));
  for (std::int64_t i = 0; i < state.range(1); ++i) {
    index.apply({change("#", 1'000'000 + static_cast<std::uint64_t>(i))});
  }
  const auto names = topics(100'000);
  Reader reader(index);
  Count count;
  std::size_t at = 0;
  for (auto _ : state) {
    reader.newest().match(names[at++ % names.size()], count);
  }
  if (count.matches != static_cast<std::size_t>(state.range(1)) * state.iterations()) {
    state.SkipWithError("the matches are wrong");
  }
}
BENCHMARK(match)->Args({0, 0})->Args({0, 1})->Args({100'000, 0})->Args({100'000, 1});

void subscribe(benchmark::State& state) {
  Index index;
  const auto devices = static_cast<std::size_t>(state.range(0));
  const std::size_t before = mallinfo2().uordblks;
  subscribe_devices(index, devices);
  state.counters["bytes_each"] =
      static_cast<double>(mallinfo2().uordblks - before) / static_cast<double>(devices);
  std::size_t next = 0;
  for (auto _ : state) {
    Change made = change("devices/" + std::to_string(next++ % devices) + "/commands/#", 1);
    index.apply({made});
    made.remove = true;
    index.apply({made});
  }
}
BENCHMARK(subscribe)->Arg(1'000)->Arg(100'000)->Arg(500'000);

} // namespace

BENCHMARK_MAIN();
