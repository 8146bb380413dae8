// Spate - commands posted beside a fleet: from the scenario to a part of the report.
#pragma once

#include <memory>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "engine/base/result.hpp"
#include "loadgen/commands/commander.hpp"
#include "loadgen/load/device_names.hpp"
#include "loadgen/report/commands_report.hpp"
#include "loadgen/scenario/scenario.hpp"

namespace spate::loadgen {

/// Thread: that of the run.
class CommandsBeside {
public:
  /// Opens the connections to the API. Errors: those of Commander::open().
  static Result<std::unique_ptr<CommandsBeside>>
  open(const CommandTraffic& traffic, const DeviceNames& devices, std::uint64_t seed, bool precise);

  [[nodiscard]] Companion& companion() noexcept { return commander_; }
  /// For the line that shows the progress; may be empty.
  [[nodiscard]] std::string status() const;
  /// Once, after the fleet has ended. Gives what failed, empty if nothing did.
  std::string finish();
  /// Rows of the table and the part of the JSON document, after finish().
  [[nodiscard]] std::string table() const { return commands_table(head_, result_); }
  [[nodiscard]] nlohmann::json report() const;
  [[nodiscard]] const CommanderResult& result() const noexcept { return result_; }

private:
  CommandsBeside(CommandsHead head, CommanderPlan plan)
      : head_(std::move(head)), commander_(std::move(plan)) {}
  CommandsHead head_;
  Commander commander_;
  CommanderResult result_;
};

} // namespace spate::loadgen
