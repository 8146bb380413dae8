// Spate - runs a scenario on several agents and puts together what they did.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "loadgen/agents/agent_link.hpp"
#include "loadgen/agents/agent_timeline.hpp"
#include "loadgen/fleet/fleet.hpp"

namespace spate::loadgen {

/// What became of one agent.
struct AgentOutcome {
  std::string address;
  std::string devices; ///< Which it had.
  AgentState state;
};

struct AgentsResult {
  FleetResult fleet; ///< Of all agents; of a lost one as it last reported.
  std::vector<AgentOutcome> agents;
  std::string fault; ///< Which were lost, with their devices, and loads that ended early.
};

/// Thread: the caller's; each AgentLink has its own.
class Coordinator {
public:
  /// Called about every 100 ms: where the slowest agent is, and what all have counted.
  using Watch = std::function<void(const FleetProgress&, const std::function<Stats()>& totals)>;
  /// Called once all agents are ready.
  using Tell = std::function<void(const std::vector<AgentOutcome>&)>;

  explicit Coordinator(std::vector<AgentTask> tasks);

  /// Connects the agents' devices, starts all loads at one time, and waits for the results. An
  /// agent that is lost before the start ends the run; later ones do not. `stop` ends the load
  /// early. Errors: connect_failed, with each agent that failed and why.
  Result<AgentsResult> run(const Tell& tell, const Watch& watch, const std::atomic<bool>& stop);

private:
  [[nodiscard]] std::string failures() const;
  [[nodiscard]] bool all(AgentState::Step at_least) const;
  void look(const Watch& watch);
  void show(const Watch& watch);
  [[nodiscard]] std::vector<AgentOutcome> outcomes() const;
  AgentsResult gather();

  std::vector<std::unique_ptr<AgentLink>> links_;
  AgentTimeline timeline_;
  std::int64_t next_alive_ns_ = 0, next_watch_ns_ = 0;
};

} // namespace spate::loadgen
