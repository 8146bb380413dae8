// Spate - spate-loadgen: simulated devices, recorded data, and a check of what was acknowledged.
#include <cstdio>
#include <exception>

#include "loadgen/exit_codes.hpp"
#include "loadgen/options.hpp"

int main(int argc, char** argv) {
  using namespace spate::loadgen;
  int exit_code = kExitOk;
  const auto options = parse_options(argc, argv, exit_code);
  if (!options) {
    return exit_code;
  }
  try {
    return options->command(*options);
  } catch (const std::exception& error) { // Of a library: no descriptors, no threads, no memory.
    std::fprintf(stderr, "spate-loadgen: %s\n", error.what());
    return kExitFailed;
  }
}
