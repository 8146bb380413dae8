#include "loadgen/commands_beside.hpp"

#include <nlohmann/json.hpp>

#include "loadgen/report/report.hpp"

namespace spate::loadgen {

namespace {

std::string request_body(const CommandTraffic& traffic) {
  const std::int64_t ttl_ms =
      traffic.ttl_ns == 0 ? traffic.wait_s * std::int64_t{1'000} : traffic.ttl_ns / 1'000'000;
  std::string body = R"({"name":)" + nlohmann::json(traffic.name).dump();
  body += R"(,"args":)" + traffic.args;
  body += R"(,"ttl_ms":)" + std::to_string(ttl_ms);
  if (!traffic.priority.empty()) {
    body += R"(,"priority":")" + traffic.priority + '"';
  }
  return body + "}";
}

} // namespace

Result<std::unique_ptr<CommandsBeside>> CommandsBeside::open(const CommandTraffic& traffic,
                                                             const DeviceNames& devices,
                                                             std::uint64_t seed, bool precise) {
  CommanderPlan plan;
  plan.base = "http://" + traffic.http;
  plan.body = request_body(traffic);
  plan.wait_s = traffic.wait_s;
  plan.connections = traffic.connections;
  plan.connections_max = traffic.connections_max;
  plan.precise = precise;
  plan.load.rate = traffic.rate;
  plan.load.arrival = traffic.poisson ? Arrival::poisson : Arrival::fixed;
  plan.load.devices = devices.size();
  plan.load.seed = seed;
  for (std::uint32_t i = 0; i < devices.size(); ++i) {
    plan.devices.push_back(devices.text(i));
  }
  std::unique_ptr<CommandsBeside> beside(
      new CommandsBeside({plan.base, traffic.rate, traffic.poisson}, std::move(plan)));
  if (auto opened = beside->commander_.open(); !opened) {
    return fail(std::move(opened.error()));
  }
  return beside;
}

std::string CommandsBeside::status() const {
  const Commander::Progress now = commander_.progress();
  return now.posted == 0 ? std::string()
                         : ", commands " + grouped(now.succeeded) + " ok, " + grouped(now.failed) +
                               " failed, " + grouped(now.in_flight) + " under way";
}

std::string CommandsBeside::finish() {
  result_ = commander_.finish();
  return commands_fault(result_.stats);
}

nlohmann::json CommandsBeside::report() const {
  return commands_json(head_, result_);
}

} // namespace spate::loadgen
