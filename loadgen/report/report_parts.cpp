#include "loadgen/report/report_parts.hpp"

#include <algorithm>

#include "loadgen/report/metrics.hpp"
#include "loadgen/report/report.hpp"

namespace spate::loadgen {

namespace {

double seconds(std::int64_t ns) noexcept {
  return static_cast<double>(ns) / 1e9;
}

std::string text_of(Fault::Kind kind) {
  switch (kind) {
  case Fault::Kind::reconnect_storm:
    return "reconnect storm";
  case Fault::Kind::slow_reader:
    return "slow readers";
  case Fault::Kind::half_open:
    return "half-open connections";
  case Fault::Kind::silent_cut:
    return "silent cut";
  case Fault::Kind::credential_expiry:
    return "credentials expire";
  case Fault::Kind::clock_skew:
    return "clock skew";
  case Fault::Kind::duplicates:
    return "duplicates";
  case Fault::Kind::out_of_order:
    return "out of order";
  case Fault::Kind::malformed:
    return "malformed messages";
  case Fault::Kind::oversized:
    return "oversized messages";
  }
  return "fault";
}

} // namespace

Course course_of(const Scenario& scenario, std::string text) {
  Course course{scenario.name, scenario.about, std::move(text), {}, {}};
  double at_s = 0;
  for (const Stage& stage : scenario.stages) {
    const double until_s = at_s + seconds(stage.duration_ns);
    course.stages.push_back({stage.name, at_s, until_s, stage.measured});
    at_s = until_s;
  }
  for (const Fault& fault : scenario.faults) {
    FaultMark mark;
    mark.name = text_of(fault.kind);
    if (fault.share < 1) {
      mark.name += formatted(" of %.3g %%", 100 * fault.share);
    }
    if (!fault.cohort.empty()) {
      mark.name += " (" + fault.cohort + ")";
    }
    mark.at_s = seconds(fault.at_ns);
    // A storm is over when all are back; other faults last as long as they are told, or to the end.
    const bool storm = fault.kind == Fault::Kind::reconnect_storm;
    const std::int64_t duration_ns = storm ? fault.back_within_ns : fault.duration_ns;
    mark.until_s =
        duration_ns == 0 && !storm ? std::max(at_s, mark.at_s) : mark.at_s + seconds(duration_ns);
    course.faults.push_back(std::move(mark));
  }
  return course;
}

Scenario without_passwords(Scenario scenario) {
  for (Cohort& cohort : scenario.cohorts) {
    if (!cohort.password.empty()) {
      cohort.password = kHidden;
    }
  }
  return scenario;
}

std::vector<std::string> without_passwords(std::vector<std::string> command_line) {
  constexpr std::string_view kOption = "--password";
  for (std::size_t i = 0; i < command_line.size(); ++i) {
    std::string& word = command_line[i];
    if (word == kOption && i + 1 < command_line.size()) {
      command_line[++i] = kHidden;
    } else if (word.starts_with(kOption) && word.size() > kOption.size() &&
               word[kOption.size()] == '=') {
      word = std::string(kOption) + "=" + kHidden;
    }
  }
  return command_line;
}

std::string parts_table(const ReportParts& parts, const FleetResult& result) {
  std::string out;
  if (parts.server != nullptr) {
    const ServerFigures& server = *parts.server;
    const auto cpu_s = server.cpu_s();
    const auto rss = server.rss_bytes_max();
    std::string text = cpu_s && result.stats.sent != 0
                           ? formatted("%.3f CPU-us a message",
                                       1e6 * *cpu_s / static_cast<double>(result.stats.sent))
                       : cpu_s ? formatted("%.3f CPU-s", *cpu_s)
                               : "CPU unknown";
    text +=
        rss ? ", at most " + metric_text(static_cast<double>(*rss), MetricUnit::bytes) + " resident"
            : "";
    text += " (" + server.source + ")";
    table_row(out, "server", text);
    if (server.failed != 0) {
      table_row(out, "", grouped(server.failed) + " looks failed: " + server.fault);
    }
  }
  for (const ObjectiveResult& objective : parts.objectives) {
    table_row(out, objective.ok ? "met" : "MISSED",
              objective.text + "  (" + objective.value_text + ")");
  }
  return out;
}

} // namespace spate::loadgen
