// The same scenario against several servers in turn. Each run is a process of its own, so that none
// inherits memory, ports or threads of the one before.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loadgen/options.hpp"
#include "loadgen/report/comparison.hpp"
#include "loadgen/report/read_report.hpp"
#include "loadgen/run_scenario.hpp"
#include "loadgen/scenario/library.hpp"
#include "loadgen/scenario/read_scenario.hpp"
#include "loadgen/servers/local_server.hpp"

extern char** environ;

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

/// Runs this program with `words`, its standard output to a file; gives its exit code, or -1.
int run_self(const std::vector<std::string>& words, const std::string& output) {
  std::error_code ignored;
  const std::string self = fs::read_symlink("/proc/self/exe", ignored).string();
  std::vector<char*> arguments{const_cast<char*>(self.c_str())};
  for (const std::string& word : words) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  pid_t pid = 0;
  int status = 0;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  const int failed = posix_spawn(&pid, self.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
    return -1;
  }
  return WEXITSTATUS(status);
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
    if (!named && !is_installed(*spec)) {
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

/// The scenario with what the command line says otherwise, as a file.
Result<std::string> scenario_file(const CompareServersOptions& compare, const fs::path& folder) {
  auto scenario = open_scenario(compare.scenario);
  if (!scenario) {
    return fail(std::move(scenario.error()));
  }
  for (Cohort& cohort : scenario->cohorts) {
    cohort.mqtt = compare.mqtt != 0 ? compare.mqtt : cohort.mqtt;
    if (cohort.replay) {
      cohort.replay->file = fs::absolute(cohort.replay->file).string();
    }
  }
  if (auto checked = check_scenario(*scenario); !checked) {
    return fail(std::move(checked.error()));
  }
  const fs::path path = folder / "scenario.toml";
  std::ofstream file(path, std::ios::trunc);
  file << write_scenario(*scenario);
  file.close();
  if (!file) {
    return fail(Errc::file_unreadable, path.string() + " can not be written");
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
      {"ack p50 ms", "%.2f", [](const ReadRun& run) { return run.latency.quantile(0.5) / kMs; }},
      {"ack p99 ms", "%.2f", [](const ReadRun& run) { return run.latency.quantile(0.99) / kMs; }},
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

} // namespace

int compare_servers_command(const Options& options) {
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
  int code = kExitOk;
  for (std::uint32_t repetition = 0; repetition < compare.repetitions; ++repetition) {
    for (std::size_t i = 0; i < sides->size(); ++i) {
      Side& side = (*sides)[(i + repetition) % sides->size()]; // None is always the first.
      auto server = LocalServer::start(side.server);
      if (!server) {
        return complain(server.error());
      }
      const std::string report =
          (folder / (file_name_of(side.server.name) + "-" + std::to_string(repetition + 1)))
              .string();
      std::fprintf(stderr, "%s, run %u of %u\n", side.server.name.c_str(), repetition + 1,
                   compare.repetitions);
      std::vector<std::string> words{
          "run",      *scenario, "--target",  (*server)->target(),
          "--report", report,    "--threads", std::to_string(compare.threads)};
      if ((*server)->pid() != 0) {
        words.insert(words.end(), {"--server-pid", std::to_string((*server)->pid())});
      }
      const int ended = run_self(words, report + ".txt");
      auto run = read_report(report + ".json");
      if (!run) { // It has said why.
        return ended > 0 ? ended : complain(run.error());
      }
      if (ended != kExitOk) {
        std::fprintf(stderr, "%s: this run failed, see %s.txt\n", side.server.name.c_str(),
                     report.c_str());
        code = std::max(code, ended == kExitMissed ? kExitMissed : kExitFailed);
      }
      side.runs.push_back(std::move(*run));
    }
  }
  std::printf("\n%s", table_of(*sides).c_str());
  for (std::size_t i = 1; i < sides->size(); ++i) {
    Comparison comparison =
        spate::loadgen::compare(sides->front().runs, (*sides)[i].runs, compare.seed);
    comparison.a = sides->front().server.name;
    comparison.b = (*sides)[i].server.name;
    std::printf("\n%s", comparison_table(comparison).c_str());
    for (const Gate& gate : *gates) {
      if (const std::string why = broken(gate, comparison); !why.empty()) {
        std::printf("FAILED: %s\n", why.c_str());
        code = std::max(code, kExitMissed);
      }
    }
  }
  std::printf("\nreports of all runs: %s\n", folder.c_str());
  return code;
}

} // namespace spate::loadgen
