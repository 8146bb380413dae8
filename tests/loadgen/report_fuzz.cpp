// Spate - what reports are made of and read from: documents, objectives, gates, metrics of servers.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "loadgen/report/comparison.hpp"
#include "loadgen/report/html_text.hpp"
#include "loadgen/report/server_probe.hpp"

using namespace spate;
using namespace spate::loadgen;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto run = parse_report(text, "a")) {
    (void)comparison_table(compare({*run}, {*run}, 1));
  }
  if (const auto objectives = parse_objectives(text)) {
    for (const Objective& objective : *objectives) {
      (void)objective.text();
    }
  }
  (void)parse_gate(text, true);
  (void)parse_metrics(text, {"received"});
  if (escaped(text).find('<') != std::string::npos) {
    std::abort();
  }
  return 0;
}
