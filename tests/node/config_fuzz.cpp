// Spate - fuzzes the configuration: any text is taken or refused with its position.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "node/config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto config =
      spate::node::parse_config({reinterpret_cast<const char*>(data), size}, "fuzz.toml");
  if (!config) {
    if (config.error().detail.find("fuzz.toml:") == std::string::npos) {
      std::abort();
    }
    return 0;
  }
  static_cast<void>(spate::node::validate(*config));
  return 0;
}
