// Spate - runs a scenario from start to end and says what came of it.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "loadgen/plan.hpp"
#include "loadgen/run_proof.hpp"
#include "loadgen/scenario/scenario.hpp"

namespace spate::loadgen {

/// Where a run tells what.
struct RunOutputs {
  std::vector<std::string> command_line;
  std::string report; ///< JSON; "-" is standard output, empty is none.
  std::string hdr;    ///< Latencies of commands, as percentiles.
  bool quiet = false;
  ProofOutputs proof;
};

/// Runs the scenario, prints and writes what came of it, and gives the exit code.
int run_scenario(const Scenario& scenario, const RunSettings& settings, const RunOutputs& outputs);

/// Prints "spate-loadgen: <what>" and returns the exit code for the error.
int complain(const Error& error);

/// Writes a document to a file, or to standard output for "-". False after complaining.
bool write_json(const std::string& path, const nlohmann::json& document);

/// Installs SIGINT and SIGTERM: the first ends the work in good order, the second at once.
/// `stop` is set by the first and must live until the process ends.
void stop_on_signals(std::atomic<bool>& stop);

} // namespace spate::loadgen
