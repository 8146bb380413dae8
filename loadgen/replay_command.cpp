#include <algorithm>
#include <cstdio>

#include "engine/base/clock.hpp"
#include "loadgen/load/replay_load.hpp"
#include "loadgen/options.hpp"
#include "loadgen/run_fleet.hpp"

namespace spate::loadgen {

int replay_command(const Options& options) {
  const ReplayOptions& replay = options.replay;
  if (!replay.quiet) {
    std::fprintf(stderr, "reading %s\n", replay.file.c_str());
  }
  auto index = index_replay(replay.file);
  if (!index) {
    return complain(index.error());
  }
  const double recorded_s = static_cast<double>(index->last_ts - index->first_ts) / 1e3;
  const auto devices = static_cast<std::uint32_t>(index->devices.size());
  if (!replay.quiet) {
    std::fprintf(stderr, "%s messages of %s devices over %.1f h\n",
                 grouped(index->messages).c_str(), grouped(devices).c_str(), recorded_s / 3600);
  }

  FleetTask task;
  task.window = default_window(replay, false);
  const bool paced = replay.speed > 0;
  task.head.load = "replay of " + replay.file +
                   (paced ? formatted(" at %g times its pace", replay.speed)
                          : " as fast as the windows take it (closed loop)");
  task.head.closed_loop = !paced;
  task.total = replay.loop ? 0 : index->messages;
  task.duration_s = paced && !replay.loop ? recorded_s / replay.speed : 0;
  std::vector<std::string> names;
  for (const std::string& device : index->devices) {
    names.push_back(replay.device_prefix + device);
  }
  CohortPlan& cohort = task.plan.cohorts.emplace_back();
  cohort.names = cohort.clients = DeviceNames(std::move(names));

  const std::uint32_t threads = std::min(replay.threads, devices);
  std::vector<ReplayQueue> queues(threads);
  cohort.make_load = [&queues, paced](const DeviceShare& share) {
    return std::make_unique<ReplayLoad>(queues[share.first], paced);
  };
  ReplayReader reader(
      {replay.file, replay.speed, replay.loop, replay.shift_to_now, replay.form, wall_ms()}, *index,
      queues);
  task.on_end = [&reader] { reader.stop(); };
  task.fault = [&reader] { return reader.fault(); };
  return run_fleet(options, replay, std::move(task));
}

} // namespace spate::loadgen
