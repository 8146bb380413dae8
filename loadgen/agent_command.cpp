#include <atomic>
#include <cstdio>

#include "loadgen/agents/agent_server.hpp"
#include "loadgen/exit_codes.hpp"
#include "loadgen/options.hpp"
#include "loadgen/run_scenario.hpp"

namespace spate::loadgen {

int agent_command(const Options& options) {
  static std::atomic<bool> stop{false};
  const AgentOptions& agent = options.agent;
  stop_on_signals(stop);
  std::string token;
  if (!agent.token_file.empty()) {
    auto read = read_token(agent.token_file);
    if (!read) {
      return complain(read.error());
    }
    token = std::move(*read);
  }
  auto address = net::parse_address(agent.listen);
  if (!address) {
    return complain(address.error());
  }
  auto server = AgentServer::open(*address, std::move(token));
  if (!server) {
    return complain(server.error());
  }
  std::printf("listening on %s\n", (*server)->address().text().c_str());
  std::fflush(stdout);
  (*server)->serve(agent.once, stop);
  return kExitOk;
}

} // namespace spate::loadgen
