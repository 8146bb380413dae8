// The options of agents and of those who coordinate them.
#include "loadgen/option_words.hpp"

namespace spate::loadgen {

void add_agent(CLI::App& app, AgentOptions& agent) {
  app.add_option("--listen", agent.listen, "HOST:PORT for the coordinator; port 0 takes a free one")
      ->capture_default_str();
  app.add_option("--token-file", agent.token_file,
                 "The coordinator must know the first line of this file; without it only loopback "
                 "may be listened on");
  app.add_flag("--once", agent.once, "End after one run");
  app.footer("Examples:\n  spate-loadgen agent --listen 0.0.0.0:7300 --token-file token\n"
             "  spate-loadgen run steady --agents 10.0.0.1:7300,10.0.0.2:7300 --agents-token-file "
             "token\n\n"
             "Agent and coordinator are to be of one version. The connection is not encrypted: use "
             "a network of\nyour own, or a tunnel.");
}

void add_agents(CLI::App& app, FleetOptions& fleet) {
  app.add_option("--agents", fleet.agents,
                 "HOST:PORT,HOST:PORT: share the devices out to these agents, and start all at one "
                 "time; local:COUNT starts so many on this machine");
  app.add_option("--agents-token-file", fleet.agents_token_file,
                 "The token of the agents, on the first line");
}

} // namespace spate::loadgen
