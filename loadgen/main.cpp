// Spate - spate-loadgen: simulated devices, recorded data, and a check of what was acknowledged.
#include "loadgen/options.hpp"

int main(int argc, char** argv) {
  using namespace spate::loadgen;
  int exit_code = kExitOk;
  const auto options = parse_options(argc, argv, exit_code);
  if (!options) {
    return exit_code;
  }
  switch (options->command) {
  case Command::run:
    return run_command(*options);
  case Command::replay:
    return replay_command(*options);
  case Command::commands:
    return commands_command(*options);
  case Command::verify:
    return verify_command(*options);
  case Command::ledger:
    return ledger_command(*options);
  case Command::agent:
    return agent_command(*options);
  case Command::check:
    return check_command(*options);
  case Command::scenarios:
    return scenarios_command(*options);
  case Command::schema:
    return schema_command(*options);
  }
  return kExitUsage;
}
