// Spate - what a cohort sends over a run: its pace, the stages and the faults of messages together.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/result.hpp"
#include "loadgen/load/message_faults.hpp"
#include "loadgen/load/rate_curve.hpp"
#include "loadgen/scenario/scenario.hpp"

namespace spate::loadgen {

/// The rate of a cohort with Pace::Kind::every over the stages (one that does not name the cohort
/// is a rest). If there are none, or one has no end (0 s), the cohort's own rate for ever. Error:
/// usage, of too many pieces.
Result<RateCurve> rate_curve_of(const Cohort& cohort, const std::vector<Stage>& stages);

/// The faults that strike the cohort's messages.
[[nodiscard]] std::vector<MessageFaultPlan> message_faults_of(const Scenario& scenario,
                                                              const Cohort& cohort);

/// All stages together; 0: until the loads end by themselves.
[[nodiscard]] std::int64_t duration_of(const std::vector<Stage>& stages) noexcept;

} // namespace spate::loadgen
