// Spate - what the commands run and replay share: from options to a fleet, its progress and its
// report.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "loadgen/fleet.hpp"
#include "loadgen/options.hpp"
#include "loadgen/report.hpp"

namespace spate::loadgen {

struct FleetTask {
  FleetPlan plan; ///< Devices, times and load are set; the rest comes from the options.
  ReportHead head;
  std::uint32_t window = 20;          ///< If the options name none.
  std::uint64_t total = 0;            ///< Messages of 100 %; 0 = unknown.
  double duration_s = 0;              ///< For the progress; 0 = unknown.
  std::function<void()> on_end;       ///< Before the report.
  std::function<std::string()> fault; ///< After the end: why the load ended early; may be null.
};

/// Runs the task and prints and writes what came of it. Returns the exit code.
int run_fleet(const Options& options, const FleetOptions& fleet, FleetTask task);

/// Prints "spate-loadgen: <what>" and returns the exit code for the error.
int complain(const Error& error);

/// Writes a document to a file, or to standard output for "-". False after complaining.
bool write_json(const std::string& path, const nlohmann::json& document);

/// Installs SIGINT and SIGTERM: the first ends the work in good order, the second at once.
/// `stop` is set by the first and must live until the process ends.
void stop_on_signals(std::atomic<bool>& stop);

} // namespace spate::loadgen
