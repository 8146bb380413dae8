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
constexpr std::int64_t kWatchNs = 100'000'000;
constexpr std::int64_t kAliveNs = 1'000'000'000;
/// For the order to reach all agents before the load begins.
constexpr std::int64_t kHeadStartNs = 300'000'000;

} // namespace

Coordinator::Coordinator(std::vector<AgentTask> tasks) : timeline_(tasks.size()) {
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
    if (link->step() == Step::lost) {
      text += (text.empty() ? "agent " : "; agent ") + link->task().address.text() + ": " +
              link->fault();
    }
  }
  return text;
}

void Coordinator::look(const Watch& watch) {
  const std::int64_t now_ns = steady_ns();
  if (now_ns >= next_alive_ns_) {
    next_alive_ns_ = now_ns + kAliveNs;
    for (const auto& link : links_) {
      link->alive();
    }
  }
  if (now_ns >= next_watch_ns_) {
    next_watch_ns_ = now_ns + kWatchNs;
    show(watch);
  }
}

void Coordinator::show(const Watch& watch) {
  FleetProgress all;
  all.phase = Phase::done;
  for (std::size_t i = 0; i < links_.size(); ++i) {
    const FleetProgress one = links_[i]->progress(); // Before its seconds: `done` came after them.
    for (const AgentSecond& second : links_[i]->take_seconds()) {
      timeline_.add(i, second);
    }
    all.connections += one.connections;
    if (one.phase == Phase::done) {
      timeline_.end(i);
      continue;
    }
    all.phase = std::min(all.phase, one.phase);
    all.elapsed_s = std::max(all.elapsed_s, one.elapsed_s);
    all.online += one.online;
    all.in_flight += one.in_flight;
  }
  watch(all, [this] {
    Stats totals;
    for (const auto& link : links_) {
      link->add_to(totals);
    }
    return totals;
  });
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
  show(watch);
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
  result.fleet.timeline = timeline_.finish();
  return result;
}

} // namespace spate::loadgen
