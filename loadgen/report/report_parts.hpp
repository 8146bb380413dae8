// Spate - what a report holds beside the figures of the fleet: the scenario's course, the server,
// the objectives.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "loadgen/report/objectives.hpp"
#include "loadgen/report/server_watch.hpp"
#include "loadgen/scenario/scenario.hpp"

namespace spate::loadgen {

/// A stretch of the timeline; seconds since the begin of the load.
struct StageSpan {
  std::string name;
  double from_s = 0, until_s = 0;
  bool measured = true;
};
struct FaultMark {
  std::string name; ///< "silent cut of 10 %", "reconnect storm".
  double at_s = 0, until_s = 0;
};

struct Course {
  std::string name, about;
  std::string text; ///< The scenario as a file would have it; empty without one.
  std::vector<StageSpan> stages;
  std::vector<FaultMark> faults;
};

/// Stages and faults of `scenario` on the timeline; `text` is its file.
[[nodiscard]] Course course_of(const Scenario& scenario, std::string text);

/// A report is handed on: what stands for passwords is kHidden.
inline constexpr const char* kHidden = "(hidden)";
[[nodiscard]] Scenario without_passwords(Scenario scenario);
[[nodiscard]] std::vector<std::string> without_passwords(std::vector<std::string> command_line);

struct ReportParts {
  std::int64_t started_ms = 0; ///< Epoch; when the load began.
  Course course;
  const ServerFigures* server = nullptr; ///< Borrowed; null: not watched.
  std::vector<ObjectiveResult> objectives;
};

/// Rows of the table that ends a run: what the load cost the server, and what was missed.
[[nodiscard]] std::string parts_table(const ReportParts& parts, const FleetResult& result);

} // namespace spate::loadgen
