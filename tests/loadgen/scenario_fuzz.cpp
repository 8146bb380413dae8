// Spate - fuzzes scenarios: any text is taken or refused with its place, and what is taken can be
// written and read again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "loadgen/scenario/read_scenario.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spate::loadgen;
  const auto scenario = parse_scenario({reinterpret_cast<const char*>(data), size}, "fuzz.toml");
  if (!scenario) {
    if (scenario.error().detail.find("fuzz.toml:") != 0) {
      std::abort();
    }
    return 0;
  }
  const auto again = parse_scenario(write_scenario(*scenario), "again.toml");
  if (!again || !(*again == *scenario)) {
    std::abort();
  }
  return 0;
}
