// The same scenario against several servers in turn. Each run is a process of its own, so that none
// inherits memory, ports or threads of the one before.
#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "loadgen/exit_codes.hpp"
#include "loadgen/load/payload.hpp"
#include "loadgen/options.hpp"
#include "loadgen/report/comparison.hpp"
#include "loadgen/report/read_report.hpp"
#include "loadgen/run_scenario.hpp"
#include "loadgen/scenario/library.hpp"
#include "loadgen/scenario/read_scenario.hpp"
#include "loadgen/servers/child_process.hpp"
#include "loadgen/servers/local_server.hpp"

namespace spate::loadgen {

namespace {

namespace fs = std::filesystem;

/// A name as a part of a file's name.
std::string file_name_of(std::string name) {
  for (char& c : name) {
    c = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' ? c : '_';
  }
  return name;
}

/// One server and its runs.
struct Side {
  ServerSpec server;
  std::vector<ReadRun> runs;
};

/// Runs this program with `words`, its standard output to a file; gives its exit code. `stop` is
/// told on: it then ends in good order, and says so in its report.
int run_self(std::vector<std::string> words, const std::string& output,
             const std::atomic<bool>& stop) {
  std::error_code ignored;
  words.insert(words.begin(), fs::read_symlink("/proc/self/exe", ignored).string());
  auto child = ChildProcess::start(words, output, ChildProcess::Output::standard);
  if (!child) {
    return complain(child.error());
  }
  for (bool told = false;;) {
    if (const auto code = (*child)->ended()) {
      return *code;
    }
    if (stop && !std::exchange(told, true)) {
      (*child)->signal(SIGTERM);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

/// Those that take part. Of the default ones, what is not installed is left out.
Result<std::vector<Side>> sides_of(const CompareServersOptions& compare) {
  std::vector<Side> sides;
  const bool named = !compare.servers.empty();
  for (const std::string& word :
       named ? compare.servers : std::vector<std::string>{"spate", "mosquitto", "nats-server"}) {
    auto spec = parse_server(word);
    if (!spec) {
      return fail(std::move(spec.error()));
    }
    if (!is_installed(*spec)) {
      if (named) {
        return fail(Errc::file_unreadable, spec->name + " is not installed");
      }
      std::fprintf(stderr, "%s is not installed: left out\n", spec->name.c_str());
      continue;
    }
    if (std::any_of(sides.begin(), sides.end(),
                    [&](const Side& side) { return side.server.name == spec->name; })) {
      return fail(Errc::usage, spec->name + " stands twice; name one of them: OTHER=" + word);
    }
    sides.push_back({std::move(*spec), {}});
  }
  if (sides.size() < 2) {
    return fail(Errc::usage, "a comparison needs two servers");
  }
  return sides;
}

void make_absolute(std::string& path) {
  if (!path.empty()) {
    path = fs::absolute(path).string();
  }
}

/// Only for us: there may be passwords in it.
Result<void> write_private(const fs::path& path, const std::string& text) {
  std::error_code ignored;
  fs::remove(path, ignored); // It may be from another time, and open for all.
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  std::string_view left = text;
  bool good = file >= 0;
  while (good && !left.empty()) {
    const ssize_t written = ::write(file, left.data(), left.size());
    good = written > 0 || errno == EINTR;
    left.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
  }
  const int error = errno;
  good = (file < 0 || ::close(file) == 0) && good;
  return good ? Result<void>()
              : fail(Errc::file_unreadable,
                     path.string() + " can not be written: " + std::strerror(error));
}

/// The scenario with what the command line says otherwise, as a file that can be run anywhere.
Result<std::string> scenario_file(const CompareServersOptions& compare, const fs::path& folder) {
  auto scenario = open_scenario(compare.scenario);
  if (!scenario) {
    return fail(std::move(scenario.error()));
  }
  if (scenario->commands) {
    return fail(Errc::usage, "the scenario posts commands over the API of Spate, which the others "
                             "do not have: run it with spate-loadgen run");
  }
  for (Cohort& cohort : scenario->cohorts) {
    cohort.mqtt = compare.mqtt != 0 ? compare.mqtt : cohort.mqtt;
    if (cohort.replay) {
      make_absolute(cohort.replay->file);
    }
    if (is_template_file(cohort.payload) &&
        std::none_of(scenario->payloads.begin(), scenario->payloads.end(),
                     [&cohort](const auto& models) { return models.name == cohort.payload; })) {
      make_absolute(cohort.payload);
    }
    if (cohort.tls) {
      make_absolute(cohort.tls->ca);
      make_absolute(cohort.tls->certificate);
      make_absolute(cohort.tls->key);
    }
  }
  if (auto checked = check_scenario(*scenario); !checked) {
    return fail(std::move(checked.error()));
  }
  const fs::path path = folder / "scenario.toml";
  if (auto written = write_private(path, write_scenario(*scenario)); !written) {
    return fail(std::move(written.error()));
  }
  return path.string();
}

/// A row for each server: medians of its runs, and times the first server's.
std::string table_of(const std::vector<Side>& sides) {
  struct Column {
    const char* title;
    const char* format;
    double (*value)(const ReadRun&);
  };
  constexpr double kMs = 1e6;
  static const Column columns[] = {
      {"rate/s", "%.0f", [](const ReadRun& run) { return run.rate_per_s; }},
      {"ack p50 ms", "%.2f",
       [](const ReadRun& run) { return static_cast<double>(run.latency.quantile(0.5)) / kMs; }},
      {"ack p99 ms", "%.2f",
       [](const ReadRun& run) { return static_cast<double>(run.latency.quantile(0.99)) / kMs; }},
      {"CPU us/msg", "%.2f", [](const ReadRun& run) { return run.server_cpu_us.value_or(0); }},
      {"RSS MB", "%.0f", [](const ReadRun& run) { return run.server_rss_bytes.value_or(0) / 1e6; }},
  };
  const auto median = [](const Side& side, const Column& column) {
    std::vector<double> values;
    for (const ReadRun& run : side.runs) {
      values.push_back(column.value(run));
    }
    std::sort(values.begin(), values.end());
    return values.empty() ? 0 : values[values.size() / 2];
  };
  std::string text = "server              ";
  for (const Column& column : columns) {
    char cell[48];
    std::snprintf(cell, sizeof cell, "%18s", column.title);
    text += cell;
  }
  for (const Side& side : sides) {
    text += "\n" + side.server.name;
    text.append(side.server.name.size() < 20 ? 20 - side.server.name.size() : 1, ' ');
    for (const Column& column : columns) {
      const double first = median(sides.front(), column);
      const double value = median(side, column);
      char figure[24], cell[48];
      std::snprintf(figure, sizeof figure, column.format, value);
      if (value == 0) {
        std::snprintf(cell, sizeof cell, "%18s", "-");
      } else if (&side == &sides.front() || first == 0) {
        std::snprintf(cell, sizeof cell, "%18s", figure);
      } else {
        std::snprintf(cell, sizeof cell, "%9s %7.2fx", figure, value / first);
      }
      text += cell;
    }
  }
  return text + "\n";
}

/// One run against one server. Gives the exit code; the side has its run if there is a report.
int run_once(Side& side, const std::string& scenario, const std::string& report,
             std::uint32_t threads, const std::atomic<bool>& stop) {
  // What an earlier invocation left would be read as this one's.
  std::error_code ignored;
  for (const char* ending : {".json", ".html", ".xml", ".hlog", ".txt"}) {
    fs::remove(report + ending, ignored);
  }
  auto server = LocalServer::start(side.server, stop);
  if (!server) {
    (void)complain(server.error());
    return kExitFailed;
  }
  std::vector<std::string> words{"run",      scenario, "--target",  (*server)->target(),
                                 "--report", report,   "--threads", std::to_string(threads)};
  if ((*server)->pid() != 0) {
    words.insert(words.end(), {"--server-pid", std::to_string((*server)->pid())});
  }
  const int ended = run_self(std::move(words), report + ".txt", stop);
  auto run = read_report(report + ".json");
  if (!run) {
    std::fprintf(stderr, "%s: this run gave no report (exit code %d)\n", side.server.name.c_str(),
                 ended);
    return kExitFailed;
  }
  side.runs.push_back(std::move(*run));
  if (ended == kExitOk) {
    return kExitOk;
  }
  std::fprintf(stderr, "%s: this run failed, see %s.txt\n", side.server.name.c_str(),
               report.c_str());
  return ended == kExitMissed ? kExitMissed : kExitFailed;
}

/// Prints how the others are beside the first, and gives the exit code.
int print_comparisons(const std::vector<Side>& sides, const std::vector<Gate>& gates,
                      std::uint64_t seed) {
  int code = kExitOk;
  for (std::size_t i = 1; i < sides.size(); ++i) {
    const Side& first = sides.front();
    const Side& side = sides[i];
    if (first.runs.empty() || side.runs.empty()) {
      std::printf("\nFAILED: %s has no run to compare\n",
                  (first.runs.empty() ? first : side).server.name.c_str());
      code = worse(code, kExitFailed);
      continue;
    }
    Comparison comparison = compare(first.runs, side.runs, seed);
    comparison.a = first.server.name;
    comparison.b = side.server.name;
    std::printf("\n%s", comparison_table(comparison).c_str());
    for (const Gate& gate : gates) {
      if (const std::string why = broken(gate, comparison); !why.empty()) {
        std::printf("FAILED: %s\n", why.c_str());
        code = worse(code, kExitMissed);
      }
    }
  }
  return code;
}

} // namespace

int compare_servers_command(const Options& options) {
  static std::atomic<bool> stop{false};
  const CompareServersOptions& compare = options.compare_servers;
  auto sides = sides_of(compare);
  if (!sides) {
    return complain(sides.error());
  }
  const auto gates = parse_gates(compare.fail_above, compare.fail_below);
  if (!gates) {
    return complain(gates.error());
  }
  std::error_code failed;
  const fs::path folder = compare.out;
  fs::create_directories(folder, failed);
  if (failed) {
    return complain({Errc::file_unreadable, compare.out + ": " + failed.message()});
  }
  const auto scenario = scenario_file(compare, folder);
  if (!scenario) {
    return complain(scenario.error());
  }
  stop_on_signals(stop);
  int code = kExitOk;
  for (std::uint32_t repetition = 0; repetition < compare.repetitions; ++repetition) {
    for (std::size_t i = 0; i < sides->size() && !stop; ++i) {
      Side& side = (*sides)[(i + repetition) % sides->size()]; // None is always the first.
      std::fprintf(stderr, "%s, run %u of %u\n", side.server.name.c_str(), repetition + 1,
                   compare.repetitions);
      const std::string report =
          (folder / (file_name_of(side.server.name) + "-" + std::to_string(repetition + 1)))
              .string();
      code = worse(code, run_once(side, *scenario, report, compare.threads, stop));
    }
  }
  if (stop) {
    std::fprintf(stderr, "spate-loadgen: ended early; reports so far: %s\n", folder.c_str());
    return kExitFailed;
  }
  std::printf("\n%s", table_of(*sides).c_str());
  code = worse(code, print_comparisons(*sides, *gates, compare.seed));
  std::printf("\nreports of all runs: %s\n", folder.c_str());
  return code;
}

} // namespace spate::loadgen
