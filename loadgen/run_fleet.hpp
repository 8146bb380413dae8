// Spate - what the commands run and replay share: from options to a fleet, its progress and its
// report.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "loadgen/fleet/fleet.hpp"
#include "loadgen/options.hpp"
#include "loadgen/report/report.hpp"

namespace spate::loadgen {

/// What runs beside a fleet and has a part in its report.
class Beside {
public:
  virtual ~Beside() = default;
  virtual Companion& companion() = 0;
  /// For the line that shows the progress; may be empty.
  virtual std::string status() = 0;
  /// Once, after the fleet has ended. Gives what failed, empty if nothing did.
  virtual std::string finish(const FleetResult& fleet) = 0;
  /// Rows of the table and the part of the JSON document, after finish().
  virtual std::string table() = 0;
  virtual nlohmann::json report() = 0;
};

struct FleetTask {
  FleetPlan plan; ///< Devices, times and load are set; the rest comes from the options.
  ReportHead head;
  std::uint32_t window = 20;          ///< If the options name none.
  std::uint64_t total = 0;            ///< Messages of 100 %; 0 = unknown.
  double duration_s = 0;              ///< For the progress; 0 = unknown.
  Beside* beside = nullptr;           ///< Borrowed; null for none.
  std::function<void()> on_end;       ///< Before the report.
  std::function<std::string()> fault; ///< After the end: why the load ended early; may be null.
};

/// Runs the task and prints and writes what came of it. Returns the exit code.
int run_fleet(const Options& options, const FleetOptions& fleet, FleetTask task);

/// The telemetry of `run` as a task: its devices, their load and its times. Templates are borrowed.
FleetTask generated_task(const RunOptions& run, const std::vector<Template>& templates);
/// Loads the payloads of `run`, if it sends any. Error: that of load_templates().
Result<std::vector<Template>> templates_of(const RunOptions& run);

/// Prints "spate-loadgen: <what>" and returns the exit code for the error.
int complain(const Error& error);

/// Installs SIGINT and SIGTERM: the first ends the work in good order, the second at once.
/// `stop` is set by the first and must live until the process ends.
void stop_on_signals(std::atomic<bool>& stop);

} // namespace spate::loadgen
