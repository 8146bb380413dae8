// Spate - spate-loadgen: simulated devices, recorded data, and a check of what was acknowledged.
#include "loadgen/options.hpp"

int main(int argc, char** argv) {
  using namespace spate::loadgen;
  int exit_code = kExitOk;
  const auto options = parse_options(argc, argv, exit_code);
  if (!options) {
    return exit_code;
  }
  return options->command(*options);
}
