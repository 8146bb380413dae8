#include "loadgen/fleet/fleet.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "engine/base/clock.hpp"
#include "loadgen/fleet/fleet_worker.hpp"

namespace spate::loadgen {

namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kHeadStartNs =
    10'000'000; // For the order to reach all threads before the first message is due.

double seconds(std::int64_t ns) noexcept {
  return static_cast<double>(ns) / 1e9;
}

} // namespace

std::string_view name_of(Phase phase) noexcept {
  switch (phase) {
  case Phase::connecting:
    return "connecting";
  case Phase::warming_up:
    return "warm-up";
  case Phase::sending:
    return "sending";
  case Phase::draining:
    return "draining";
  case Phase::closing:
    return "closing";
  case Phase::done:
    return "done";
  }
  return "";
}

std::int64_t connect_limit_ns(std::size_t connections, double connects_per_s,
                              std::int64_t timeout_ns) noexcept {
  constexpr double kSlowestPerS = 500;
  const double ramp_s =
      static_cast<double>(connections) / (connects_per_s > 0 ? connects_per_s : kSlowestPerS);
  return timeout_ns + static_cast<std::int64_t>(std::min(ramp_s * 1e9, 1e18));
}

std::uint64_t FleetPlan::connections() const noexcept {
  std::uint64_t sum = 0;
  for (const CohortPlan& cohort : cohorts) {
    sum += cohort.clients.size();
  }
  return sum;
}

Fleet::Fleet(FleetPlan plan, const std::atomic<bool>& stop)
    : plan_(std::move(plan)), connections_(plan_.connections()), boards_(plan_.cohorts.size()),
      stop_(stop) {
  plan_.threads = static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(plan_.threads, 1, std::max<std::uint64_t>(1, connections_)));
  for (std::uint32_t t = 0; t < plan_.threads; ++t) {
    workers_.push_back(std::make_unique<Worker>(plan_, t, boards_));
  }
  for (auto& worker : workers_) {
    worker->start();
  }
  for (const CohortPlan& cohort : plan_.cohorts) {
    CohortResult& result = result_.cohorts.emplace_back();
    result.name = cohort.name;
    result.devices = cohort.names.size();
    result.connections = cohort.clients.size();
    result_.devices += result.devices;
  }
  result_.connections = connections_;
}

Fleet::~Fleet() = default;

void Fleet::expect(std::uint32_t device, bool under_way) {
  const auto threads = static_cast<std::uint32_t>(workers_.size());
  workers_[device % threads]->expect(device / threads, under_way);
}

bool Fleet::all(int step, std::atomic<bool> GroupState::*flag) const {
  return std::all_of(workers_.begin(), workers_.end(), [step, flag](const auto& worker) {
    return worker->state.step.load(std::memory_order_acquire) >= step && worker->all(flag);
  });
}

std::uint64_t Fleet::sum(std::atomic<std::uint64_t> GroupState::*what) const {
  std::uint64_t total = 0;
  for (const auto& worker : workers_) {
    for (std::size_t cohort = 0; cohort < plan_.cohorts.size(); ++cohort) {
      total += worker->read(cohort, what);
    }
  }
  return total;
}

void Fleet::sum_by_cohort(std::atomic<std::uint64_t> GroupState::*what,
                          std::uint64_t CohortResult::*to) {
  for (std::size_t cohort = 0; cohort < plan_.cohorts.size(); ++cohort) {
    for (const auto& worker : workers_) {
      result_.cohorts[cohort].*to += worker->read(cohort, what);
    }
  }
}

FleetProgress Fleet::progress(Phase phase, std::int64_t since_ns) const {
  FleetProgress now;
  now.phase = phase;
  now.elapsed_s =
      seconds(std::max<std::int64_t>(steady_ns() - since_ns, 0)); // Its begin may be to come.
  now.connections = connections_;
  now.online = sum(&GroupState::online);
  now.settled = sum(&GroupState::settled);
  now.gone = sum(&GroupState::gone);
  now.in_flight = sum(&GroupState::in_flight);
  return now;
}

void Fleet::take_second(const FleetProgress& now) {
  const Stats recent = boards_.take_recent();
  if (result_.timeline.size() == kTimelineSecondsMax) {
    return;
  }
  Second& second = result_.timeline.emplace_back();
  second.second = result_.timeline.size() - 1;
  second.sent = recent.sent;
  second.acked = recent.acked;
  second.errors = recent.error_count();
  second.in_flight = now.in_flight;
  second.connected = now.online;
  second.set_latency(recent.latency);
  if (plan_.on_second) {
    plan_.on_second(second, recent);
  }
}

/// Waits until `done`, the time is up, or somebody stops the run while it may be stopped. True if
/// done.
bool Fleet::wait(Phase phase, std::int64_t since_ns, std::int64_t until_ns,
                 const std::function<bool()>& done, const Watch& watch) {
  std::int64_t next_watch_ns = 0;
  while (!done()) {
    const std::int64_t now_ns = steady_ns();
    if (now_ns >= until_ns) {
      return false;
    }
    if (stop_ && !result_.interrupted && phase != Phase::closing) {
      result_.interrupted = true;
      return false;
    }
    while (load_start_ns_ != 0 &&
           now_ns >= load_start_ns_ +
                         static_cast<std::int64_t>(result_.timeline.size() + 1) * kSecondNs &&
           result_.timeline.size() < kTimelineSecondsMax && phase != Phase::closing) {
      take_second(progress(Phase::sending, load_start_ns_));
    }
    if (now_ns >= next_watch_ns) {
      next_watch_ns = now_ns + kWatchMs * 1'000'000;
      watch(progress(phase, since_ns), boards_);
    }
    std::this_thread::sleep_for(std::chrono::nanoseconds(
        std::min<std::int64_t>(5'000'000, std::max<std::int64_t>(until_ns - now_ns, 0))));
  }
  return true;
}

bool Fleet::stuck() {
  const std::int64_t now_ns = steady_ns();
  const std::uint64_t moves = sum(&GroupState::moves);
  const bool waits = sum(&GroupState::waiting) != 0 || sum(&GroupState::online) == 0;
  if (moves != moves_ || !waits || moved_ns_ == 0) {
    moves_ = moves;
    moved_ns_ = now_ns;
  }
  result_.stalled = sum(&GroupState::gone) == connections_ ||
                    now_ns - moved_ns_ > std::max(plan_.drain_ns, kSecondNs);
  return result_.stalled;
}

void Fleet::send_load(const Watch& watch) {
  load_start_ns_ = std::max(steady_ns() + kHeadStartNs, load_start_ns_);
  const std::int64_t measure_ns = load_start_ns_ + plan_.warm_up_ns;
  (void)boards_.take_recent(); // The timeline begins with the load.
  const std::int64_t end_ns =
      plan_.duration_ns == 0 ? Load::kNever : measure_ns + plan_.duration_ns;
  for (auto& worker : workers_) {
    worker->begin(load_start_ns_, measure_ns, end_ns);
  }
  if (plan_.companion != nullptr) {
    plan_.companion->begin(load_start_ns_, measure_ns, end_ns, *this);
  }
  const bool loaded =
      std::any_of(plan_.cohorts.begin(), plan_.cohorts.end(),
                  [](const CohortPlan& cohort) { return cohort.make_load != nullptr; });
  const auto sent = [&] {
    return loaded && (all(1, &GroupState::all_sent) || (plan_.duration_ns == 0 && stuck()));
  };
  if (!wait(Phase::warming_up, load_start_ns_, measure_ns, sent, watch)) {
    wait(Phase::sending, load_start_ns_, end_ns, sent, watch);
  }
  const std::int64_t ended_ns = std::min(steady_ns(), end_ns); // Exact, however late we woke up.
  for (auto& worker : workers_) {
    worker->end(ended_ns);
  }
  if (plan_.companion != nullptr) {
    plan_.companion->stop(ended_ns);
  }
  result_.sending_s = seconds(std::max<std::int64_t>(ended_ns - load_start_ns_, 0));
  result_.measured_s = seconds(std::max<std::int64_t>(ended_ns - measure_ns, 0));
  wait(
      Phase::draining, load_start_ns_, ended_ns + (result_.stalled ? 0 : plan_.drain_ns),
      [&] {
        return (plan_.companion == nullptr || plan_.companion->drained()) &&
               all(2, &GroupState::drained);
      },
      watch);
  result_.drain_s = seconds(steady_ns() - ended_ns);
}

FleetResult Fleet::run(const Watch& watch) {
  const std::int64_t start_ns = steady_ns();
  // The load begins without devices that can not connect.
  std::int64_t limit_ns = 0;
  for (const CohortPlan& cohort : plan_.cohorts) {
    limit_ns = std::max(limit_ns, connect_limit_ns(connections_, cohort.group.connects_per_s,
                                                   cohort.group.connect_timeout_ns));
  }
  wait(
      Phase::connecting, start_ns, start_ns + limit_ns,
      [&] { return sum(&GroupState::settled) >= connections_; }, watch);
  result_.connect_s = seconds(steady_ns() - start_ns);
  result_.connected = sum(&GroupState::online);
  result_.subscribed = sum(&GroupState::subscribed);
  sum_by_cohort(&GroupState::online, &CohortResult::connected);
  sum_by_cohort(&GroupState::subscribed, &CohortResult::subscribed);
  const bool comes_back =
      std::any_of(plan_.cohorts.begin(), plan_.cohorts.end(),
                  [](const CohortPlan& cohort) { return cohort.group.reconnect; });
  std::optional<std::int64_t> begin_ns = 0;
  if (plan_.start_at && !result_.interrupted) {
    wait(
        Phase::connecting, start_ns, Load::kNever,
        [&] { return (begin_ns = plan_.start_at()).has_value(); }, watch);
  }
  if (!result_.interrupted && (result_.connected != 0 || comes_back)) {
    load_start_ns_ = begin_ns.value_or(0);
    send_load(watch);
  }

  const FleetProgress last = progress(Phase::draining, load_start_ns_);
  result_.seen = sum(&GroupState::seen);
  sum_by_cohort(&GroupState::seen, &CohortResult::seen);
  for (auto& worker : workers_) {
    worker->finish();
  }
  wait(
      Phase::closing, start_ns, steady_ns() + 3 * kSecondNs,
      [&] {
        return std::all_of(workers_.begin(), workers_.end(),
                           [](const auto& w) { return w->state.step == 3; }) &&
               sum(&GroupState::open) == 0;
      },
      watch);
  for (auto& worker : workers_) {
    const auto cpu_ns = worker->state.cpu_ns.load();
    result_.cpu_s += seconds(cpu_ns);
    if (result_.sending_s > 0) {
      result_.cpu_share.push_back(seconds(cpu_ns) / result_.sending_s);
      result_.wait_share.push_back(seconds(worker->state.wait_ns.load()) / result_.sending_s);
    }
  }
  if (plan_.companion != nullptr) {
    plan_.companion->release();
  }
  for (auto& worker : workers_) {
    worker->join(); // Publishes the last counts.
    result_.sweep.merge(worker->sweep());
  }
  workers_.clear();
  if (load_start_ns_ != 0) { // With what the threads published at their end.
    take_second(last);
  }
  result_.stats = boards_.totals();
  for (std::size_t cohort = 0; cohort < boards_.size(); ++cohort) {
    result_.cohorts[cohort].stats = boards_.cohort(cohort).totals();
  }
  return std::move(result_);
}

} // namespace spate::loadgen
