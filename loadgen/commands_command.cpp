#include <algorithm>
#include <cstdio>
#include <fstream>

#include <nlohmann/json.hpp>

#include "loadgen/commands/commander.hpp"
#include "loadgen/load/load.hpp"
#include "loadgen/options.hpp"
#include "loadgen/report/commands_report.hpp"
#include "loadgen/report/progress.hpp"
#include "loadgen/run_fleet.hpp"

namespace spate::loadgen {

namespace {

std::string request_body(const CommandsOptions& commands) {
  std::string body = R"({"name":)" + nlohmann::json(commands.name).dump();
  body += R"(,"args":)" + commands.args;
  body += R"(,"ttl_ms":)" + std::to_string(commands.ttl_ns / 1'000'000);
  if (!commands.priority.empty()) {
    body += R"(,"priority":")" + commands.priority + '"';
  }
  return body + "}";
}

CommanderPlan plan_of(const CommandsOptions& commands, const DeviceNames& names) {
  std::vector<std::string> devices;
  for (std::uint32_t i = 0; i < names.size(); ++i) {
    devices.push_back(names.text(i));
  }
  CommanderPlan plan;
  plan.base = "http://" + commands.http;
  plan.body = request_body(commands);
  plan.wait_s = commands.wait_s;
  plan.connections = commands.connections;
  plan.connections_max = commands.connections_max;
  plan.precise = commands.precise;
  plan.load.rate = commands.commands_per_s;
  plan.load.arrival = commands.poisson ? Arrival::poisson : Arrival::fixed;
  plan.load.devices = static_cast<std::uint32_t>(devices.size());
  plan.load.seed = commands.seed;
  plan.devices = std::move(devices);
  return plan;
}

/// The commander's part in progress and report.
class CommandsBeside final : public Beside {
public:
  CommandsBeside(Commander& commander, const CommandsOptions& commands)
      : commander_(commander), head_{"http://" + commands.http, commands.commands_per_s,
                                     commands.poisson} {}

  Companion& companion() override { return commander_; }
  std::string status() override {
    const Commander::Progress now = commander_.progress();
    return now.posted == 0
               ? std::string()
               : ", commands " + grouped(now.succeeded) + " ok, " + grouped(now.failed) +
                     " failed, " + grouped(now.in_flight) + " under way";
  }
  std::string finish(const FleetResult&) override {
    result_ = commander_.finish();
    return commands_fault(result_.stats);
  }
  std::string table() override { return commands_table(head_, result_); }
  nlohmann::json report() override { return commands_json(head_, result_); }
  [[nodiscard]] const CommanderResult& result() const noexcept { return result_; }

private:
  Commander& commander_;
  CommandsHead head_;
  CommanderResult result_;
};

} // namespace

int commands_command(const Options& options) {
  CommandsOptions commands = options.commands;
  commands.idle = !commands.flood && commands.rate <= 0;
  // Commands that were posted at the end are waited for.
  commands.drain_ns =
      std::max(commands.drain_ns, (commands.wait_s + 1) * std::int64_t{1'000'000'000});
  const auto templates = templates_of(commands);
  if (!templates) {
    return complain(templates.error());
  }
  FleetTask task = generated_task(commands, *templates);
  Commander commander(plan_of(commands, task.plan.cohorts.front().names));
  if (auto opened = commander.open(); !opened) {
    return complain(opened.error());
  }
  CommandsBeside beside(commander, commands);
  task.beside = &beside;
  int code = run_fleet(options, commands, std::move(task));
  if (!commands.hdr.empty() && beside.result().stats.posted != 0) {
    std::ofstream file(commands.hdr, std::ios::trunc);
    file << hdr_text(beside.result().stats.latency);
    file.close();
    if (!file) {
      code =
          std::max(code, complain({Errc::file_unreadable, commands.hdr + " can not be written"}));
    }
  }
  return code;
}

} // namespace spate::loadgen
