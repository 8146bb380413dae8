#include "loadgen/agents/coordinator.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "engine/base/clock.hpp"
#include "loadgen/agents/shares.hpp"

namespace spate::loadgen {

namespace {

using Step = AgentState::Step;

constexpr std::chrono::milliseconds kLook{20};
constexpr std::int64_t kAliveNs = 1'000'000'000;
/// For the order to reach all agents before the load begins.
constexpr std::int64_t kHeadStartNs = 300'000'000;

Phase phase_of(const std::string& name) {
  for (const Phase phase :
       {Phase::connecting, Phase::warming_up, Phase::sending, Phase::draining, Phase::closing}) {
    if (name_of(phase) == name) {
      return phase;
    }
  }
  return Phase::connecting;
}

} // namespace

Coordinator::Coordinator(std::vector<AgentTask> tasks) {
  for (AgentTask& task : tasks) {
    links_.push_back(std::make_unique<AgentLink>(std::move(task)));
  }
}

bool Coordinator::all(Step at_least) const {
  return std::all_of(links_.begin(), links_.end(),
                     [at_least](const auto& link) { return link->step() >= at_least; });
}

std::string Coordinator::failures() const {
  std::string text;
  for (const auto& link : links_) {
    const AgentState state = link->state();
    if (state.step == Step::lost) {
      text +=
          (text.empty() ? "agent " : "; agent ") + link->task().address.text() + ": " + state.fault;
    }
  }
  return text;
}

void Coordinator::look(const Watch& watch) {
  const std::int64_t now_ns = steady_ns();
  const bool alive = now_ns >= next_alive_ns_;
  next_alive_ns_ = alive ? now_ns + kAliveNs : next_alive_ns_;
  FleetProgress progress;
  progress.phase = Phase::done;
  Stats stats;
  for (const auto& link : links_) {
    if (alive) {
      link->alive();
    }
    for (const AgentSecond& second : link->take_seconds()) {
      merge(seconds_, second);
    }
    const AgentState state = link->state();
    stats.merge(state.result.stats);
    progress.connections += state.connections;
    if (state.step == Step::lost || state.step == Step::finished) {
      continue;
    }
    progress.phase = std::min(progress.phase, phase_of(state.phase));
    progress.elapsed_s = std::max(progress.elapsed_s, state.elapsed_s);
    progress.online += state.online;
    progress.in_flight += state.in_flight;
  }
  watch(progress, stats);
}

std::vector<AgentOutcome> Coordinator::outcomes() const {
  std::vector<AgentOutcome> list;
  for (const auto& link : links_) {
    list.push_back({link->task().address.text(), devices_text(link->task().share), link->state()});
  }
  return list;
}

Result<AgentsResult> Coordinator::run(const Tell& tell, const Watch& watch,
                                      const std::atomic<bool>& stop) {
  bool stopped = false;
  const auto look_and_stop = [&] {
    look(watch);
    if (stop && !std::exchange(stopped, true)) {
      for (const auto& link : links_) {
        link->stop();
      }
    }
    std::this_thread::sleep_for(kLook);
  };
  while (!all(Step::ready) && !stop) {
    if (const std::string failed = failures(); !failed.empty()) {
      return fail(Errc::connect_failed, failed);
    }
    look_and_stop();
  }
  if (const std::string failed = failures(); !failed.empty()) {
    return fail(Errc::connect_failed, failed);
  }
  tell(outcomes());
  const std::int64_t start_ns = steady_ns() + kHeadStartNs;
  for (const auto& link : links_) {
    link->start(start_ns);
  }
  while (!all(Step::finished)) {
    look_and_stop();
  }
  look(watch);
  return gather();
}

AgentsResult Coordinator::gather() {
  AgentsResult result;
  result.agents = outcomes();
  for (const AgentOutcome& agent : result.agents) {
    FleetResult part = agent.state.result;
    const auto blame = [&result, &agent](const std::string& what) {
      result.fault += (result.fault.empty() ? "agent " : "; agent ") + agent.address + " " + what;
    };
    if (agent.state.step == Step::lost) {
      part.connections = agent.state.connections;
      part.stats.lost += agent.state.in_flight;
      blame("was lost after " + std::to_string(static_cast<int>(agent.state.elapsed_s)) + " s (" +
            agent.state.fault + "), and with it its devices: " + agent.devices);
    } else if (!agent.state.fault.empty()) {
      blame("ended early: " + agent.state.fault);
    }
    merge(result.fleet, part);
  }
  result.fleet.timeline = timeline_of(seconds_);
  return result;
}

} // namespace spate::loadgen
