// Spate - what a run of commands says at its end.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "engine/base/histogram.hpp"
#include "loadgen/commands/commander.hpp"

namespace spate::loadgen {

/// What was asked for.
struct CommandsHead {
  std::string api;
  double rate = 0;
  bool poisson = false;
};

/// What failed, in words; empty if every command that was due succeeded.
[[nodiscard]] std::string commands_fault(const CommandStats& stats);
[[nodiscard]] std::string commands_table(const CommandsHead& head, const CommanderResult& result);
[[nodiscard]] nlohmann::json commands_json(const CommandsHead& head, const CommanderResult& result);

/// The percentile distribution as HdrHistogram prints it (.hgrm), values in ms.
[[nodiscard]] std::string hdr_text(const Histogram& times_ns);

} // namespace spate::loadgen
