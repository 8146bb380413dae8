// Spate - runs a scenario from start to end and says what came of it.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "loadgen/plan.hpp"
#include "loadgen/run_proof.hpp"
#include "loadgen/scenario/scenario.hpp"

namespace spate::loadgen {

/// Where a run tells what.
struct RunOutputs {
  std::vector<std::string> command_line;
  std::string report; ///< As report_names() understands it; empty is none.
  std::string hdr;    ///< Latencies of commands, as percentiles.
  bool quiet = false;
  std::vector<std::string> objectives; ///< Beside those of the scenario.
  std::vector<int> server_pids;        ///< What is watched while the load runs;
  std::string server_metrics;          ///< either of the two, or none.
  std::vector<std::string> server_counters;
  ProofOutputs proof;
};

/// Runs the scenario, prints and writes what came of it, and gives the exit code.
int run_scenario(const Scenario& scenario, const RunSettings& settings, const RunOutputs& outputs);

/// Prints "spate-loadgen: <what>" and returns the exit code for the error.
int complain(const Error& error);

/// Installs SIGINT and SIGTERM: the first ends the work in good order, the second at once.
/// `stop` is set by the first and must live until the process ends.
void stop_on_signals(std::atomic<bool>& stop);

} // namespace spate::loadgen
