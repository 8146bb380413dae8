#include "loadgen/agents/shares.hpp"

#include <algorithm>
#include <optional>

namespace spate::loadgen {

namespace {

/// Part `agent` of `count` things that come in units, as evenly as units allow: where it begins.
std::uint64_t begin_of(std::uint64_t count, std::uint64_t unit, std::uint32_t agent,
                       std::uint32_t agents) {
  const std::uint64_t units = (count + unit - 1) / unit;
  return std::min(count, units * agent / agents * unit);
}

std::uint64_t part_of(std::uint64_t count, std::uint32_t agent, std::uint32_t agents) {
  return begin_of(count, 1, agent + 1, agents) - begin_of(count, 1, agent, agents);
}

/// Nothing if the agent has no device of it.
std::optional<Cohort> share_of(const Cohort& cohort, std::size_t number, std::uint32_t agent,
                               std::uint32_t agents) {
  Cohort share = cohort;
  if (cohort.pace.kind == Pace::Kind::recorded) {
    return number % agents == agent ? std::optional(share) : std::nullopt;
  }
  const std::uint64_t unit = std::max(cohort.devices_per_connection, 1u);
  const std::uint64_t begin = begin_of(cohort.devices, unit, agent, agents);
  const std::uint64_t end = begin_of(cohort.devices, unit, agent + 1, agents);
  if (begin == end) {
    return std::nullopt;
  }
  share.first += begin;
  share.devices = static_cast<std::uint32_t>(end - begin);
  share.connects_per_s *= static_cast<double>(end - begin) / cohort.devices;
  if (cohort.messages != 0) {
    // By devices, so that the parts add up and each device has as many as any other.
    const auto before = [&cohort](std::uint64_t device) {
      return cohort.messages / cohort.devices * device +
             cohort.messages % cohort.devices * device / cohort.devices;
    };
    share.messages = before(end) - before(begin);
    if (share.messages == 0) {
      share.pace.kind = Pace::Kind::idle;
    }
  }
  return share;
}

} // namespace

Result<std::vector<Scenario>> shares_of(const Scenario& scenario, std::uint32_t agents) {
  if (scenario.commands) {
    return fail(Errc::usage, "commands are posted by one process: leave --agents out");
  }
  std::vector<Scenario> shares;
  for (std::uint32_t agent = 0; agent < agents; ++agent) {
    Scenario& share = shares.emplace_back(scenario);
    share.seed = scenario.seed + agent;
    share.cohorts.clear();
    for (std::size_t i = 0; i < scenario.cohorts.size(); ++i) {
      if (auto cohort = share_of(scenario.cohorts[i], i, agent, agents)) {
        share.cohorts.push_back(std::move(*cohort));
      }
    }
    if (share.cohorts.empty()) {
      return fail(Errc::usage, "there are more agents than devices (or gateways): leave some out");
    }
    const auto has = [&share](const std::string& name) {
      return std::any_of(share.cohorts.begin(), share.cohorts.end(),
                         [&name](const Cohort& cohort) { return cohort.name == name; });
    };
    std::erase_if(share.faults, [&has](const Fault& fault) {
      return !fault.cohort.empty() && !has(fault.cohort);
    });
    for (Fault& fault : share.faults) {
      fault.count = static_cast<std::uint32_t>(part_of(fault.count, agent, agents));
    }
    std::erase_if(share.faults, [](const Fault& fault) {
      return fault.kind == Fault::Kind::half_open && fault.count == 0;
    });
    for (Stage& stage : share.stages) {
      const bool all = stage.cohorts.empty();
      std::erase_if(stage.cohorts, [&has](const std::string& name) { return !has(name); });
      if (!all && stage.cohorts.empty()) {
        return fail(Errc::usage, "the cohorts of the stage \"" + stage.name +
                                     "\" have too few devices for so many agents");
      }
    }
    share.objectives.clear(); // Of all together.
  }
  return shares;
}

std::string devices_text(const Scenario& share) {
  std::string text;
  for (const Cohort& cohort : share.cohorts) {
    text += (text.empty() ? "" : "; ") + cohort.name;
    text += cohort.pace.kind == Pace::Kind::recorded
                ? ", as recorded"
                : " " + std::to_string(cohort.first) + " to " +
                      std::to_string(cohort.first + cohort.devices - 1);
  }
  return text;
}

} // namespace spate::loadgen
