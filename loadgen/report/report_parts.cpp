#include "loadgen/report/report_parts.hpp"

#include <algorithm>

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

} // namespace spate::loadgen
