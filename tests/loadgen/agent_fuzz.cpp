// Spate - what coordinators and agents read from each other: frames, messages, reports, ledgers.
#include <cstdint>
#include <string_view>

#include <nlohmann/json.hpp>

#include "loadgen/agents/channel.hpp"
#include "loadgen/agents/frame.hpp"
#include "loadgen/agents/stats_codec.hpp"

using namespace spate;
using namespace spate::loadgen;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FrameCutter cutter;
  cutter.set_bytes_max(1 << 20);
  cutter.add({reinterpret_cast<const char*>(data), size});
  for (;;) {
    auto frame = cutter.next();
    if (!frame || !*frame) {
      return 0;
    }
    const auto message = read_message(**frame);
    if (!message) {
      continue;
    }
    (void)text_in(*message, "text");
    (void)number_in(*message, "number");
    if (message->contains("result")) {
      if (const auto result = read_result((*message)["result"])) {
        FleetResult all;
        merge(all, *result);
        merge(all, *result);
      }
    }
    if (message->contains("second")) {
      (void)read_second(*message, 86'400);
    }
  }
}
