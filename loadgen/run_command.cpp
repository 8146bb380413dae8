#include "loadgen/load/load.hpp"
#include "loadgen/load/payload.hpp"
#include "loadgen/options.hpp"
#include "loadgen/run_fleet.hpp"

namespace spate::loadgen {

namespace {

std::string load_text(const RunOptions& run, std::uint32_t window) {
  if (run.idle) {
    return "idle: connections only";
  }
  const std::string payload = ", payload " + run.payload;
  if (run.flood && run.qos == 0) {
    return "flood of QoS 0: as fast as the connections take it" + payload;
  }
  if (run.flood) {
    return "flood: " + std::to_string(window) +
           " unacknowledged messages a device (closed loop: the server sets the pace)" + payload;
  }
  return formatted("open loop: %.0f messages/s, ", run.rate) +
         (run.arrival == Arrival::fixed ? "fixed" : "Poisson") + " arrivals" + payload;
}

} // namespace

Result<std::vector<Template>> templates_of(const RunOptions& run) {
  return run.idle ? Result<std::vector<Template>>() : load_templates(run.payload, run.seed);
}

FleetTask generated_task(const RunOptions& run, const std::vector<Template>& templates) {
  FleetTask task;
  task.window = default_window(run, run.flood);
  task.head.load = load_text(run, run.window != 0 ? run.window : task.window);
  task.head.closed_loop = run.flood;
  task.head.idle = run.idle;
  task.head.rate = run.rate;
  task.plan.duration_ns = run.duration_ns;
  task.plan.warm_up_ns = run.warm_up_ns;
  task.total = run.stop_after;
  task.duration_s = static_cast<double>(run.duration_ns + run.warm_up_ns) / 1e9;
  CohortPlan& cohort = task.plan.cohorts.emplace_back();
  cohort.names = cohort.clients = DeviceNames(run.device_prefix, 0, run.devices);
  if (!run.idle) {
    cohort.make_load = [&run, &templates](const DeviceShare& devices) {
      // A thread's share of rate and count follows its share of the devices; the shares of a count
      // add up.
      const std::uint32_t thread = devices.first;
      const double share = static_cast<double>(devices.connections) / run.devices;
      GeneratedPlan plan;
      plan.closed_loop = run.flood;
      plan.rate = run.rate * share;
      plan.arrival = run.arrival;
      plan.phase_ns = run.rate > 0 ? static_cast<std::int64_t>(thread * 1e9 / run.rate) : 0;
      plan.seed = run.seed + thread;
      if (run.stop_after != 0) {
        const std::uint32_t threads = std::min(run.threads, run.devices);
        plan.count_max = run.stop_after / threads + (thread < run.stop_after % threads ? 1 : 0);
        plan.empty = plan.count_max == 0;
      }
      return std::make_unique<GeneratedLoad>(plan, devices, templates);
    };
  }
  return task;
}

int run_command(const Options& options) {
  const auto templates = templates_of(options.run);
  if (!templates) {
    return complain(templates.error());
  }
  return run_fleet(options, options.run, generated_task(options.run, *templates));
}

} // namespace spate::loadgen
