// Spate bench - spate-bench-floor: what durable telemetry costs at least. As spate-bench-null, and
// parsed, committed and synced before the acknowledgement; without actors, sessions, or anything
// that a node needs beside.
//
// At SIGTERM it prints what became of the records, so that whoever measures it can check its
// result.
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "bench/floor/loop.hpp"
#include "bench/minimal/sockets.hpp"

namespace {

int give_up(const spate::Error& error) {
  std::fprintf(stderr, "spate-bench-floor: %s\n", error.detail.c_str());
  return 1;
}

} // namespace

int main(int argc, char** argv) {
  using namespace spate;
  using spate::storage::Durability;
  std::string address = "127.0.0.1:1883";
  unsigned threads = 1;
  storage::StoreOptions options;
  options.data_dirs = {"spate-data"};
  options.shards = 1;
  options.commit_interval_us = 0;
  CLI::App app{
      "Parses, commits, syncs and acknowledges: the floor of what durable telemetry costs."};
  app.add_option("--mqtt", address, "HOST:PORT to listen on")->capture_default_str();
  app.add_option("--threads", threads, "Loops, each with its own listener")
      ->check(CLI::Range(1u, 64u))
      ->capture_default_str();
  app.add_option("--data-dir", options.data_dirs.front(), "Where records are stored")
      ->capture_default_str();
  app.add_option("--shards", options.shards, "Shards of a new data directory")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--commit-interval-us", options.commit_interval_us,
                 "Least time between two commits; 0: as fast as it can")
      ->capture_default_str();
  const std::map<std::string, Durability> durabilities{
      {"fsync", Durability::fsync}, {"os", Durability::os}, {"memory", Durability::memory}};
  app.add_option("--durability", options.durability,
                 "What an acknowledgement means (default fsync)")
      ->transform(CLI::CheckedTransformer(durabilities).description(""))
      ->type_name("fsync|os|memory");
  CLI11_PARSE(app, argc, argv);

  bench::raise_descriptor_limit();
  bench::hold_signals();
  model::ShapeTable shapes;
  auto store = storage::Store::open(options, shapes);
  if (!store) {
    return give_up(store.error());
  }
  std::vector<std::unique_ptr<bench::Loop>> loops;
  for (unsigned i = 0; i < threads; ++i) {
    const auto listener = bench::listen_on(address);
    if (!listener) {
      return give_up(listener.error());
    }
    loops.push_back(std::make_unique<bench::Loop>(*listener, **store, shapes));
  }
  std::vector<std::thread> running;
  for (const auto& loop : loops) {
    running.emplace_back([&loop] { loop->run(); });
  }
  std::printf("spate-bench-floor: listening on %s\n", address.c_str());
  std::fflush(stdout);
  bench::wait_for_signal();

  for (std::size_t i = 0; i < loops.size(); ++i) {
    loops[i]->stop();
    running[i].join();
  }
  (*store)->stop();
  std::uint64_t stored = 0;
  std::uint64_t duplicate = 0;
  std::uint64_t rejected = 0;
  for (const auto& loop : loops) {
    stored += loop->counts().stored;
    duplicate += loop->counts().duplicate;
    rejected += loop->counts().rejected;
  }
  std::printf("{\"stored\":%llu,\"duplicate\":%llu,\"rejected\":%llu}\n",
              static_cast<unsigned long long>(stored), static_cast<unsigned long long>(duplicate),
              static_cast<unsigned long long>(rejected));
  return 0;
}
