#include <cstdio>

#include <nlohmann/json.hpp>

#include "loadgen/base/texts.hpp"
#include "loadgen/exit_codes.hpp"
#include "loadgen/options.hpp"
#include "loadgen/report/comparison.hpp"
#include "loadgen/report/report_files.hpp"
#include "loadgen/run_scenario.hpp"

namespace spate::loadgen {

namespace {

/// Runs of one side: files joined by commas.
Result<std::vector<ReadRun>> read_side(std::string_view files) {
  std::vector<ReadRun> runs;
  for (const std::string& file : split(files, ",")) {
    if (runs.size() == kRunsMax) {
      return fail(Errc::usage, "more than " + std::to_string(kRunsMax) + " runs of a side");
    }
    auto run = read_report(file);
    if (!run) {
      return fail(std::move(run.error()));
    }
    runs.push_back(std::move(*run));
  }
  return runs;
}

} // namespace

int compare_command(const Options& options) {
  const CompareOptions& wanted = options.compare;
  const auto gates = parse_gates(wanted.fail_above, wanted.fail_below);
  if (!gates) {
    return complain(gates.error());
  }
  std::vector<std::vector<ReadRun>> sides;
  for (const std::string& files : wanted.sides) {
    auto side = read_side(files);
    if (!side) {
      return complain(side.error());
    }
    sides.push_back(std::move(*side));
  }
  std::FILE* const people = wanted.json == "-" ? stderr : stdout;
  nlohmann::json document = nlohmann::json::array();
  int code = kExitOk;
  for (std::size_t i = 1; i < sides.size(); ++i) {
    const Comparison comparison = compare(sides.front(), sides[i], wanted.seed);
    std::fprintf(people, "%s%s", i > 1 ? "\n" : "", comparison_table(comparison).c_str());
    document.push_back(comparison_json(comparison));
    if (!gates->empty() && !comparison.comparable) {
      std::fputs("spate-loadgen: gates need runs of the same scenario\n", stderr);
      code = worse(code, kExitFailed);
      continue;
    }
    for (const Gate& gate : *gates) {
      if (const std::string why = broken(gate, comparison); !why.empty()) {
        std::fprintf(people, "FAILED: %s\n", why.c_str());
        code = worse(code, kExitMissed);
      }
    }
  }
  if (!wanted.json.empty()) {
    if (auto written = write_json(wanted.json, document); !written) {
      return complain(written.error());
    }
  }
  return code;
}

} // namespace spate::loadgen
