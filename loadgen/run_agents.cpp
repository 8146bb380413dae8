#include "loadgen/run_agents.hpp"

#include <charconv>
#include <memory>
#include <vector>

#include <nlohmann/json.hpp>

#include "loadgen/agents/agent_server.hpp"
#include "loadgen/agents/local_agents.hpp"
#include "loadgen/agents/shares.hpp"
#include "loadgen/base/texts.hpp"
#include "loadgen/fleet/sources.hpp"
#include "loadgen/report/report.hpp"

namespace spate::loadgen {

namespace {

constexpr std::string_view kLocal = "local:";
constexpr std::uint16_t kDefaultPort = 7300;
constexpr std::size_t kAgentsMax = 256;

/// Where the agents are, and their token.
struct Agents {
  std::vector<net::Address> addresses;
  std::string token;
  std::unique_ptr<LocalAgents> local;
};

Result<Agents> start_local(std::string_view text) {
  std::uint32_t count = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), count);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size() || count == 0 ||
      count > LocalAgents::kAgentsMax) {
    return fail(Errc::usage, "--agents local:COUNT takes a count from 1 to 256");
  }
  auto started = LocalAgents::start(count);
  if (!started) {
    return fail(std::move(started.error()));
  }
  return Agents{(*started)->addresses(), (*started)->token(), std::move(*started)};
}

Result<Agents> find_agents(const RunSettings& settings) {
  const std::string_view text = settings.agents;
  if (text.starts_with(kLocal)) {
    return start_local(text.substr(kLocal.size()));
  }
  Agents agents;
  if (!settings.agents_token_file.empty()) {
    auto token = read_token(settings.agents_token_file);
    if (!token) {
      return fail(std::move(token.error()));
    }
    agents.token = std::move(*token);
  }
  for (const std::string& agent : split(text, ",")) {
    auto address = resolve(agent, kDefaultPort);
    if (!address) {
      return fail(std::move(address.error()));
    }
    agents.addresses.push_back(std::move(*address));
  }
  if (agents.addresses.size() > kAgentsMax) {
    return fail(Errc::usage, "--agents takes at most 256 of them");
  }
  return agents;
}

std::string clock_text(const ClockOffset& clock) {
  return formatted("clock %+.3f ms (+-%.3f)", static_cast<double>(clock.wall_offset_ns()) / 1e6,
                   static_cast<double>(clock.uncertainty_ns()) / 1e6);
}

std::string text_of(const AgentOutcome& agent) {
  const AgentState& state = agent.state;
  return agent.address + ": " + state.version + " on " + state.host + ", " +
         std::to_string(state.cores) + " cores, " + grouped(state.descriptors) + " descriptors, " +
         clock_text(state.clock) + ", " + agent.devices;
}

} // namespace

Result<AgentsResult> run_on_agents(const Scenario& scenario, const RunSettings& settings,
                                   RunProof& proof, RunView& view, std::atomic<bool>& stop) {
  auto agents = find_agents(settings);
  if (!agents) {
    return fail(std::move(agents.error()));
  }
  auto shares = shares_of(scenario, static_cast<std::uint32_t>(agents->addresses.size()));
  if (!shares) {
    return fail(std::move(shares.error()));
  }
  const std::vector<std::string> targets = split_targets(scenario.target);
  std::vector<AgentTask> tasks;
  for (std::size_t i = 0; i < shares->size(); ++i) {
    (*shares)[i].target = targets[i % targets.size()];
    tasks.push_back(
        {agents->addresses[i], agents->token, std::move((*shares)[i]), settings, proof.ledger()});
  }
  Coordinator coordinator(std::move(tasks));
  const auto tell = [&view](const std::vector<AgentOutcome>& ready) {
    for (const AgentOutcome& agent : ready) {
      view.note("agent " + text_of(agent));
    }
  };
  return coordinator.run(
      tell,
      [&](const FleetProgress& progress, const std::function<Stats()>& totals) {
        if (proof.failed()) {
          stop = true; // What follows could not be proven.
        }
        view.watch(progress, totals, {});
      },
      stop);
}

std::string agents_rows(const AgentsResult& result) {
  std::string rows;
  for (const AgentOutcome& agent : result.agents) {
    const Stats& stats = agent.state.result.stats;
    table_row(rows, "agent",
              agent.address + "   sent " + grouped(stats.sent) + "   acked " +
                  grouped(stats.acked) + "   " + clock_text(agent.state.clock) +
                  (agent.state.step == AgentState::Step::lost ? "   LOST" : ""));
  }
  return rows;
}

nlohmann::json agents_json(const AgentsResult& result) {
  nlohmann::json list = nlohmann::json::array();
  for (const AgentOutcome& agent : result.agents) {
    const AgentState& state = agent.state;
    list.push_back(
        {{"address", agent.address},
         {"version", state.version},
         {"host", state.host},
         {"cores", state.cores},
         {"descriptors", state.descriptors},
         {"clock_offset_ms", static_cast<double>(state.clock.wall_offset_ns()) / 1e6},
         {"clock_uncertainty_ms", static_cast<double>(state.clock.uncertainty_ns()) / 1e6},
         {"devices", agent.devices},
         {"lost", state.step == AgentState::Step::lost},
         {"fault", state.fault},
         {"sent", state.result.stats.sent},
         {"acked", state.result.stats.acked},
         {"cpu_s", state.result.cpu_s}});
  }
  return list;
}

} // namespace spate::loadgen
