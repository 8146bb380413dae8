// Spate - the rules between the values of a scenario, for rules*.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "loadgen/scenario/problems.hpp"
#include "loadgen/scenario/scenario.hpp"

namespace spate::loadgen {

/// Of one cohort by itself; `path` is its own.
void check_cohort(const Scenario& scenario, const Cohort& cohort, const std::string& path,
                  Problems& problems);

} // namespace spate::loadgen
