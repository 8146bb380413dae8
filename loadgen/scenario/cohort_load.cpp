#include "loadgen/scenario/cohort_load.hpp"

#include <algorithm>
#include <optional>

namespace spate::loadgen {

namespace {

std::optional<MessageFaultPlan::Kind> message_kind(Fault::Kind kind) noexcept {
  switch (kind) {
  case Fault::Kind::clock_skew:
    return MessageFaultPlan::Kind::clock_skew;
  case Fault::Kind::duplicates:
    return MessageFaultPlan::Kind::duplicates;
  case Fault::Kind::out_of_order:
    return MessageFaultPlan::Kind::out_of_order;
  case Fault::Kind::malformed:
    return MessageFaultPlan::Kind::malformed;
  case Fault::Kind::oversized:
    return MessageFaultPlan::Kind::oversized;
  default:
    return std::nullopt; // Of connections.
  }
}

} // namespace

Result<RateCurve> rate_curve_of(const Cohort& cohort, const std::vector<Stage>& stages) {
  const Pace& pace = cohort.pace;
  std::vector<RateLevel> levels;
  bool endless = stages.empty();
  for (const Stage& stage : stages) {
    endless |= stage.duration_ns == 0;
    const bool sends =
        stage.cohorts.empty() ||
        std::find(stage.cohorts.begin(), stage.cohorts.end(), cohort.name) != stage.cohorts.end();
    levels.push_back({stage.duration_ns, sends ? stage.from : 0, sends ? stage.to : 0});
  }
  if (endless) {
    return RateCurve::constant(cohort.devices * 1e9 / static_cast<double>(pace.every_ns));
  }
  return RateCurve::of({static_cast<double>(cohort.devices), pace.every_ns, pace.herd_spread_ns,
                        pace.diurnal_period_ns, pace.diurnal_low, pace.diurnal_peak_ns},
                       levels);
}

std::vector<MessageFaultPlan> message_faults_of(const Scenario& scenario, const Cohort& cohort) {
  std::vector<MessageFaultPlan> plans;
  for (const Fault& fault : scenario.faults) {
    const auto kind = message_kind(fault.kind);
    if (!kind || (!fault.cohort.empty() && fault.cohort != cohort.name)) {
      continue;
    }
    const std::int64_t end_ns =
        fault.duration_ns == 0 ? RateCurve::kNever : fault.at_ns + fault.duration_ns;
    plans.push_back({*kind, fault.at_ns, end_ns, fault.share, fault.by_ns / 1'000'000,
                     static_cast<std::size_t>(fault.bytes)});
  }
  return plans;
}

std::int64_t duration_of(const std::vector<Stage>& stages) noexcept {
  std::int64_t sum = 0;
  for (const Stage& stage : stages) {
    sum += stage.duration_ns;
  }
  return sum;
}

} // namespace spate::loadgen
