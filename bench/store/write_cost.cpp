// Spate bench - spate-bench-write-cost: what a message costs from its commit to its folded block,
// beside plain rows in RocksDB, or how far tails grow. Each measurement is a process of its own, so
// that CPU, memory and bytes written are those of nothing else.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include <CLI/CLI.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/store/parts.hpp"
#include "bench/store/plain_rows.hpp"
#include "bench/store/write_cost.hpp"
#include "storage/store_internals.hpp"

namespace spate::bench {
namespace {

constexpr double kControlShareMax = 0.25;
constexpr double kWrittenBytesMax = 35;
constexpr std::size_t kBlocksWaitingMax = 16;
constexpr std::uint64_t kSampleWaits = 6;

std::uint64_t number_after(const char* path, const std::string& word) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(word)) {
      return std::strtoull(line.c_str() + word.size(), nullptr, 10);
    }
  }
  return 0;
}

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "spate-bench-write-cost: %s\n", why.c_str());
  std::_Exit(1);
}

std::uint64_t directory_bytes(const std::string& path) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    bytes += entry.is_regular_file() ? entry.file_size() : 0;
  }
  return bytes;
}

/// Adds the CPU that `work` takes of this thread.
template <class Work>
void counted(double& to_us, Work&& work) {
  const double start = thread_cpu_us();
  work();
  to_us += thread_cpu_us() - start;
}

std::size_t next_rows(const Load& load, std::uint64_t done) {
  return static_cast<std::size_t>(std::min<std::uint64_t>(load.batch, load.messages - done));
}

/// Commits the load, a block a commit. Some blocks wait at any time, as in a node under load: else
/// what is measured is how long two threads take to wake each other.
void run_spate(const Load& load, storage::Store& store, Fleet& fleet, Cost& cost) {
  Receipts receipts;
  Receipts::Blocks free;
  for (std::size_t i = 0; i < kBlocksWaitingMax; ++i) {
    free.push_back(std::make_unique<model::TelemetryBlock>());
  }
  std::deque<std::vector<std::uint32_t>> orders; // Of the blocks on their way.
  Receipts::Blocks back;
  const auto take_back = [&](std::size_t count) {
    receipts.wait(count, back);
    for (auto& block : back) {
      if (block->status != model::CommitStatus::committed) {
        give_up("a block was refused: " + block->status_detail);
      }
      counted(cost.generating_us, [&] { fleet.learn(*block, orders.front()); });
      orders.pop_front();
      free.push_back(std::move(block));
    }
    back.clear();
  };
  std::uint64_t samples = 0;
  for (std::uint64_t done = 0; done < load.messages;) {
    if (free.empty()) {
      take_back(kBlocksWaitingMax / 2);
      if (++samples % kSampleWaits == 0) {
        cost.tail_bytes_most = std::max(cost.tail_bytes_most, store.stats().tail_bytes);
      }
    }
    const std::size_t rows = next_rows(load, done);
    auto block = std::move(free.back());
    free.pop_back();
    counted(cost.generating_us, [&] {
      fleet.fill(*block, rows);
      orders.push_back(fleet.order());
    });
    block->sink = &receipts;
    store.submit(std::move(block));
    done += rows;
  }
  take_back(orders.size());
}

void take_stats(const storage::StoreStats& stats, Cost& cost) {
  cost.wal_bytes = stats.wal_bytes;
  cost.flush_bytes = stats.flush_bytes;
  cost.rewrite_bytes = stats.fold_bytes;
  cost.fold_cpu_us = stats.fold_cpu_us;
  cost.blocks_sealed = stats.blocks_sealed;
}

void measure_spate(const Load& load, const std::string& directory, Cost& cost) {
  model::ShapeTable shapes;
  storage::StoreOptions options;
  options.data_dirs = {directory + "/spate"};
  options.shards = 1;
  options.durability = storage::Durability::os;
  options.disk_free_min_bytes = 1;
  options.commit_interval_us = 0;
  options.tail_bytes_max = load.tail_bytes_max;
  options.log_bytes_max = load.log_bytes_max;
  options.log_retention_bytes = load.kept_log_bytes_max;
  storage::StoreInternals internals;
  internals.turn_rows_max = load.batch;       // What waits does not make the commits larger.
  internals.now_ms = [] { return kStartMs; }; // The fleet's time, or all its rows were old.
  auto store = storage::open_store(options, shapes, internals);
  if (!store) {
    give_up(store.error().detail);
  }
  Fleet fleet(shapes, load.devices);
  const double start_us = cpu_us();
  run_spate(load, **store, fleet, cost);
  cost.commit_cpu_us = cpu_us() - start_us - cost.generating_us;
  if (const auto compacted = compact(**store); !compacted) {
    give_up("compact: " + compacted.error().detail);
  }
  cost.cpu_us = cpu_us() - start_us - cost.generating_us;
  const storage::StoreStats stats = (*store)->stats();
  take_stats(stats, cost);
  if (cost.wal_bytes == 0) {
    give_up("the store does not say what it wrote");
  }
  cost.rss_bytes_most = number_after("/proc/self/status", "VmHWM:") * 1024;
  cost.io_bytes = number_after("/proc/self/io", "write_bytes:");
  const std::uint64_t back = count_all(**store, fleet) + stats.fold_duplicates;
  if (stats.rows_stored != load.messages || back != load.messages) {
    give_up("of " + std::to_string(load.messages) + " records " + std::to_string(back) +
            " came back");
  }
  (*store)->stop();
  store->reset();
  cost.rest_bytes = directory_bytes(directory);
}

void measure_control(const Load& load, const std::string& directory, Cost& cost) {
  PlainRows rows(directory + "/control");
  model::ShapeTable shapes;
  Fleet fleet(shapes, load.devices);
  const double start_us = cpu_us();
  model::TelemetryBlock block;
  for (std::uint64_t done = 0; done < load.messages; done += block.messages.size()) {
    counted(cost.generating_us, [&] { fleet.fill(block, next_rows(load, done)); });
    rows.commit(block, fleet.order());
  }
  cost.commit_cpu_us = cpu_us() - start_us - cost.generating_us;
  rows.settle();
  cost.cpu_us = cpu_us() - start_us - cost.generating_us;
  rows.take_written(cost);
  cost.rss_bytes_most = number_after("/proc/self/status", "VmHWM:") * 1024;
  cost.io_bytes = number_after("/proc/self/io", "write_bytes:");
  if (rows.count() != load.messages) {
    give_up("the control lost records");
  }
  rows.close();
  cost.rest_bytes = directory_bytes(directory);
}

/// Runs `measure` in a child.
template <class Measure>
Cost in_child(const Load& load, const std::string& base, Measure&& measure) {
  static_assert(std::is_trivially_copyable_v<Cost>);
  std::fflush(stdout);
  int ends[2];
  if (::pipe(ends) != 0) {
    give_up("no pipe");
  }
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    Cost cost;
    {
      const TempDir directory(base);
      measure(load, directory.path(), cost);
    }
    const bool told = ::write(ends[1], &cost, sizeof cost) == sizeof cost;
    std::_Exit(told ? 0 : 1);
  }
  ::close(ends[1]);
  Cost cost;
  const ssize_t got = ::read(ends[0], &cost, sizeof cost);
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (child < 0 || got != sizeof cost || status != 0) {
    give_up("a measurement failed");
  }
  return cost;
}

void print_cost(const char* name, const Load& load, const std::vector<Cost>& costs) {
  const auto each = [&](auto member, double scale) {
    std::vector<double> values;
    for (const Cost& cost : costs) {
      values.push_back(static_cast<double>(cost.*member) / scale);
    }
    return values;
  };
  const auto messages = static_cast<double>(load.messages);
  std::printf("%s\n", name);
  std::printf("  CPU us a message, all          %s\n",
              spread(each(&Cost::cpu_us, messages), 3).c_str());
  std::printf("    of that until the last commit %s\n",
              spread(each(&Cost::commit_cpu_us, messages), 3).c_str());
  std::printf("  bytes written a message        %.1f: WAL %.1f, flush %.1f, rewritten %.1f\n",
              median(written(costs, load)), median(each(&Cost::wal_bytes, messages)),
              median(each(&Cost::flush_bytes, messages)),
              median(each(&Cost::rewrite_bytes, messages)));
  std::printf("  by /proc/self/io               %s\n",
              spread(each(&Cost::io_bytes, messages), 1).c_str());
  std::printf("  at rest, bytes a message       %s\n",
              spread(each(&Cost::rest_bytes, messages), 2).c_str());
  std::printf("  largest RSS, MiB               %s\n",
              spread(each(&Cost::rss_bytes_most, 1 << 20), 0).c_str());
}

int run(int argc, char** argv) {
  Load load;
  int repetitions = 3;
  std::string base;
  bool memory = false;
  bool gate = false;
  std::uint64_t kept_bytes = 0;
  CLI::App app{"CPU and bytes written a message, from its commit to its folded block, beside plain "
               "rows in RocksDB."};
  app.add_option("--devices", load.devices)
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000'000));
  app.add_option("--messages", load.messages)->capture_default_str();
  app.add_option("--batch", load.batch, "Messages a commit")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  app.add_option("--repetitions", repetitions)->capture_default_str()->check(CLI::Range(1, 100));
  app.add_option("--tail-bytes-max", load.tail_bytes_max)->capture_default_str();
  app.add_option("--log-bytes-max", load.log_bytes_max)->capture_default_str();
  app.add_option("--work-dir", base, "Where the data lies (default TMPDIR); best a real disk");
  app.add_flag("--memory", memory, "No control: how far tails grow. Best with --devices 200000");
  app.add_option("--kept-log-bytes", kept_bytes,
                 "Measure beside it what it costs to keep so much of the log");
  app.add_flag("--gate", gate, "Exit 1 if a goal is missed");
  CLI11_PARSE(app, argc, argv);

  print_heading(argc, argv, base.empty() ? std::filesystem::temp_directory_path().string() : base);
  std::printf("%llu messages of 4 numbers, %u devices in random order, %u a commit, no sync, %d "
              "repetition(s)\n\n",
              static_cast<unsigned long long>(load.messages), load.devices, load.batch,
              repetitions);
  std::vector<Cost> spate;
  std::vector<Cost> control;
  std::vector<Cost> kept;
  Load keeping = load;
  keeping.kept_log_bytes_max = kept_bytes;
  for (int i = 0; i < repetitions; ++i) {
    const bool spate_first = i % 2 == 0;
    if (kept_bytes != 0 && !spate_first) {
      kept.push_back(in_child(keeping, base, measure_spate));
    }
    if (spate_first) {
      spate.push_back(in_child(load, base, measure_spate));
    }
    if (!memory) {
      control.push_back(in_child(load, base, measure_control));
    }
    if (!spate_first) {
      spate.push_back(in_child(load, base, measure_spate));
    }
    if (kept_bytes != 0 && spate_first) {
      kept.push_back(in_child(keeping, base, measure_spate));
    }
  }
  print_cost("spate", load, spate);
  std::vector<double> tails;
  std::vector<double> ratios;
  for (std::size_t i = 0; i < spate.size(); ++i) {
    tails.push_back(static_cast<double>(spate[i].tail_bytes_most) / (1 << 20));
    if (!memory) {
      ratios.push_back(spate[i].cpu_us / control[i].cpu_us);
    }
  }
  std::printf("  of that folds and merges, CPU us %.3f; blocks sealed %llu, rows a block %.1f\n",
              static_cast<double>(spate[0].fold_cpu_us) / static_cast<double>(load.messages),
              static_cast<unsigned long long>(spate[0].blocks_sealed),
              static_cast<double>(load.messages) /
                  static_cast<double>(std::max<std::uint64_t>(1, spate[0].blocks_sealed)));
  std::printf("  largest tails, MiB             %s of %.0f\n", spread(tails, 1).c_str(),
              static_cast<double>(load.tail_bytes_max) / (1 << 20));
  if (!kept.empty()) {
    print_cost("spate with a kept log", keeping, kept);
    std::vector<double> more;
    for (std::size_t i = 0; i < kept.size(); ++i) {
      more.push_back(kept[i].cpu_us / spate[i].cpu_us);
    }
    std::printf("with x without, CPU              %s\n", spread(more, 3).c_str());
  }
  if (!memory) {
    print_cost("control: plain rows", load, control);
    std::printf("spate x control, CPU             %s\n", spread(ratios, 3).c_str());
  }
  std::printf("\n");
  bool met = true;
  if (memory) {
    met = print_goal("largest tails", *std::max_element(tails.begin(), tails.end()),
                     static_cast<double>(load.tail_bytes_max) / (1 << 20), "MiB");
  } else {
    met = print_goal("CPU a message x control", median(ratios), kControlShareMax, "x");
    met = print_goal("bytes written a message", median(written(spate, load)), kWrittenBytesMax,
                     "bytes") &&
          met;
  }
  return gate && !met ? 1 : 0;
}

} // namespace
} // namespace spate::bench

int main(int argc, char** argv) {
  return spate::bench::run(argc, argv);
}
