#include "loadgen/fleet.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <thread>

#include "engine/base/clock.hpp"
#include "engine/net/connection.hpp"
#include "engine/net/loop.hpp"

namespace spate::loadgen {

namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kPreciseNs = 1'000'000;
constexpr std::uint64_t kPublishMs = 100;
constexpr std::int64_t kHeadStartNs =
    10'000'000; // For the order to reach all threads before the first message is due.

std::int64_t thread_cpu_ns() noexcept {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return used.tv_sec * kSecondNs + used.tv_nsec;
}

/// How long this thread was runnable without a core; 0 where Linux does not tell.
std::int64_t thread_wait_ns() noexcept {
  long long wait_ns = 0;
  if (std::FILE* file = std::fopen("/proc/thread-self/schedstat", "re")) {
    if (std::fscanf(file, "%*d %lld", &wait_ns) != 1) {
      wait_ns = 0;
    }
    std::fclose(file);
  }
  return wait_ns;
}

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

std::int64_t connect_limit_ns(std::size_t devices, double connects_per_s,
                              std::int64_t timeout_ns) noexcept {
  constexpr double kSlowestPerS = 500;
  const double ramp_s =
      static_cast<double>(devices) / (connects_per_s > 0 ? connects_per_s : kSlowestPerS);
  return timeout_ns + static_cast<std::int64_t>(std::min(ramp_s * 1e9, 1e18));
}

/// One thread: a loop, its connections, and the group that they belong to.
class Fleet::Worker final : private net::LoopHooks, private Port {
public:
  Worker(const FleetPlan& plan, GroupPlan group, std::vector<std::string> devices,
         std::uint32_t first_device, std::unique_ptr<Load> load, StatsBoard& board)
      : target_(plan.target), precise_(plan.precise), load_(std::move(load)), board_(board),
        group_(std::move(group), std::move(devices), load_.get(), *this) {
    links_.reserve(group_.size());
    for (std::uint32_t i = 0; i < group_.size(); ++i) {
      links_.emplace_back(*this, i, plan.sources.source(first_device + i));
    }
    loop_.set_hooks(*this);
    loop_.every(1, [this] { tick(); });
    loop_.every(kPublishMs, [this] { group_.publish(board_); });
    loop_.post([this] { group_.start_connecting(steady_ns()); });
    thread_ = std::thread([this] { loop_.run(); });
  }

  ~Worker() override {
    loop_.stop();
    thread_.join();
    group_.publish(board_);
  }

  void begin(std::int64_t start_ns, std::int64_t measure_from_ns) {
    loop_.post([this, start_ns, measure_from_ns] {
      cpu_start_ns_ = thread_cpu_ns();
      wait_start_ns_ = thread_wait_ns();
      group_.begin(start_ns, measure_from_ns, steady_ns(), wall_ms());
      carried_out(1);
    });
  }
  void end(std::int64_t end_ns) {
    loop_.post([this, end_ns] {
      group_.stop(end_ns);
      state.cpu_ns = thread_cpu_ns() - cpu_start_ns_;
      state.wait_ns = thread_wait_ns() - wait_start_ns_;
      carried_out(2);
    });
  }
  void finish() {
    loop_.post([this] {
      group_.finish(steady_ns());
      carried_out(3);
    });
  }

  WorkerState state;

private:
  struct Link final : net::ConnectionHandler {
    Link(Worker& owner, std::uint32_t number, std::string from)
        : worker(owner), index(number), source(std::move(from)) {}
    void on_open(net::Connection&) override { worker.group_.on_open(index); }
    std::size_t on_bytes(net::Connection&, std::string_view bytes) override {
      return worker.group_.on_bytes(index, bytes, steady_ns(), worker.loop_.wall_now_ms());
    }
    void on_close(net::Connection&, net::CloseReason reason) override {
      connection = nullptr;
      worker.group_.on_closed(index, net::name_of(reason), steady_ns());
    }
    Worker& worker;
    std::uint32_t index;
    std::string source;
    net::Connection* connection = nullptr;
  };

  void carried_out(int step) {
    tell();
    state.step.store(step, std::memory_order_release);
  }

  void tick() {
    group_.tick(steady_ns(), loop_.wall_now_ms());
    tell();
  }

  void tell() {
    state.online.store(group_.online(), std::memory_order_relaxed);
    state.settled.store(group_.settled(), std::memory_order_relaxed);
    state.seen.store(group_.seen(), std::memory_order_relaxed);
    state.gone.store(group_.gone(), std::memory_order_relaxed);
    state.in_flight.store(group_.in_flight(), std::memory_order_relaxed);
    state.waiting.store(group_.waiting(), std::memory_order_relaxed);
    state.moves.store(group_.moves(), std::memory_order_relaxed);
    state.open.store(group_.open_connections(), std::memory_order_relaxed);
    state.all_sent.store(group_.all_sent(), std::memory_order_relaxed);
    state.drained.store(group_.drained(), std::memory_order_relaxed);
  }

  bool before_poll() override {
    const std::int64_t now_ns = steady_ns();
    if (group_.between(now_ns, loop_.wall_now_ms())) {
      return true;
    }
    if (!precise_ || load_ == nullptr) {
      return false;
    }
    const std::int64_t due_ns = load_->next_ns();
    if (due_ns == Load::kAtOnce) {
      return false; // No schedule to be precise about.
    }
    if (due_ns <= now_ns) {
      group_.tick(now_ns, loop_.wall_now_ms());
    }
    return load_->next_ns() < now_ns + kPreciseNs;
  }

  Result<void> connect(std::uint32_t device) override {
    Link& link = links_[device];
    auto made = loop_.connect(target_.host, target_.port, link.source, link);
    if (!made) {
      return fail(std::move(made.error()));
    }
    link.connection = *made;
    return {};
  }
  std::string& output(std::uint32_t device) override { return links_[device].connection->output(); }
  void sent(std::uint32_t device) override { links_[device].connection->sent(); }
  std::size_t unsent_bytes(std::uint32_t device) const override {
    const net::Connection* connection = links_[device].connection;
    return connection == nullptr ? 0 : connection->unsent_bytes();
  }
  void close(std::uint32_t device) override { links_[device].connection->close(); }
  void abort(std::uint32_t device) override { links_[device].connection->abort(); }

  const net::Address target_;
  const bool precise_;
  const std::unique_ptr<Load> load_;
  StatsBoard& board_;
  net::Loop loop_;
  std::vector<Link> links_;
  DeviceGroup group_;
  std::int64_t cpu_start_ns_ = 0;
  std::int64_t wait_start_ns_ = 0;
  std::thread thread_;
};

Fleet::Fleet(FleetPlan plan, const std::atomic<bool>& stop) : plan_(std::move(plan)), stop_(stop) {
  const auto threads = static_cast<std::uint32_t>(
      std::clamp<std::size_t>(plan_.threads, 1, std::max<std::size_t>(1, plan_.devices.size())));
  plan_.threads = threads;
  std::uint32_t first = 0;
  for (std::uint32_t t = 0; t < threads; ++t) {
    std::vector<std::string> devices;
    for (std::size_t i = t; i < plan_.devices.size(); i += threads) {
      devices.push_back(plan_.devices[i]);
    }
    GroupPlan group = plan_.group;
    group.connects_per_s /= threads;
    group.connecting_max = std::max(1u, group.connecting_max / threads);
    group.seed += t;
    const auto count = static_cast<std::uint32_t>(devices.size());
    auto load = plan_.make_load ? plan_.make_load(t, count) : nullptr;
    workers_.push_back(std::make_unique<Worker>(plan_, std::move(group), std::move(devices), first,
                                                std::move(load), board_));
    first += count;
  }
}

Fleet::~Fleet() = default;

bool Fleet::all(int step, std::atomic<bool> WorkerState::*flag) const {
  return std::all_of(workers_.begin(), workers_.end(), [step, flag](const auto& worker) {
    return worker->state.step.load(std::memory_order_acquire) >= step &&
           (worker->state.*flag).load();
  });
}

std::uint64_t Fleet::sum(std::atomic<std::uint64_t> WorkerState::*what) const {
  std::uint64_t total = 0;
  for (const auto& worker : workers_) {
    total += (worker->state.*what).load(std::memory_order_relaxed);
  }
  return total;
}

FleetProgress Fleet::progress(Phase phase, std::int64_t since_ns) const {
  FleetProgress now;
  now.phase = phase;
  now.elapsed_s = seconds(steady_ns() - since_ns);
  now.devices = plan_.devices.size();
  now.online = sum(&WorkerState::online);
  now.settled = sum(&WorkerState::settled);
  now.in_flight = sum(&WorkerState::in_flight);
  return now;
}

void Fleet::take_second() {
  const Stats recent = board_.take_recent();
  if (result_.timeline.size() == kTimelineSecondsMax) {
    return;
  }
  const FleetProgress now = progress(Phase::sending, load_start_ns_);
  result_.timeline.push_back({result_.timeline.size(), recent.sent, recent.acked,
                              recent.error_count(), now.in_flight, now.online,
                              recent.latency.quantile(0.5), recent.latency.quantile(0.99),
                              recent.latency.max()});
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
      take_second();
    }
    if (now_ns >= next_watch_ns) {
      next_watch_ns = now_ns + kWatchMs * 1'000'000;
      watch(progress(phase, since_ns), board_);
    }
    std::this_thread::sleep_for(std::chrono::nanoseconds(
        std::min<std::int64_t>(5'000'000, std::max<std::int64_t>(until_ns - now_ns, 0))));
  }
  return true;
}

bool Fleet::stuck() {
  const std::int64_t now_ns = steady_ns();
  const std::uint64_t moves = sum(&WorkerState::moves);
  const bool waits = sum(&WorkerState::waiting) != 0 || sum(&WorkerState::online) == 0;
  if (moves != moves_ || !waits || moved_ns_ == 0) {
    moves_ = moves;
    moved_ns_ = now_ns;
  }
  result_.stalled = sum(&WorkerState::gone) == plan_.devices.size() ||
                    now_ns - moved_ns_ > std::max(plan_.drain_ns, kSecondNs);
  return result_.stalled;
}

void Fleet::send_load(const Watch& watch) {
  load_start_ns_ = steady_ns() + kHeadStartNs;
  const std::int64_t measure_ns = load_start_ns_ + plan_.warm_up_ns;
  (void)board_.take_recent(); // The timeline begins with the load.
  for (auto& worker : workers_) {
    worker->begin(load_start_ns_, measure_ns);
  }
  const bool loaded = plan_.make_load != nullptr;
  const auto sent = [&] {
    return loaded && (all(1, &WorkerState::all_sent) || (plan_.duration_ns == 0 && stuck()));
  };
  const std::int64_t end_ns =
      plan_.duration_ns == 0 ? Load::kNever : measure_ns + plan_.duration_ns;
  if (!wait(Phase::warming_up, load_start_ns_, measure_ns, sent, watch)) {
    wait(Phase::sending, load_start_ns_, end_ns, sent, watch);
  }
  const std::int64_t ended_ns = std::min(steady_ns(), end_ns); // Exact, however late we woke up.
  for (auto& worker : workers_) {
    worker->end(ended_ns);
  }
  result_.sending_s = seconds(ended_ns - load_start_ns_);
  result_.measured_s = seconds(std::max<std::int64_t>(ended_ns - measure_ns, 0));
  wait(
      Phase::draining, load_start_ns_, ended_ns + (result_.stalled ? 0 : plan_.drain_ns),
      [&] { return all(2, &WorkerState::drained); }, watch);
  result_.drain_s = seconds(steady_ns() - ended_ns);
  take_second();
}

FleetResult Fleet::run(const Watch& watch) {
  const std::int64_t start_ns = steady_ns();
  // The load begins without devices that can not connect.
  const std::int64_t limit_ns = connect_limit_ns(plan_.devices.size(), plan_.group.connects_per_s,
                                                 plan_.group.connect_timeout_ns);
  wait(
      Phase::connecting, start_ns, start_ns + limit_ns,
      [&] { return sum(&WorkerState::settled) >= plan_.devices.size(); }, watch);
  result_.connect_s = seconds(steady_ns() - start_ns);
  result_.connected = sum(&WorkerState::online);
  if (!result_.interrupted && (result_.connected != 0 || plan_.group.reconnect)) {
    send_load(watch);
  }

  result_.seen = sum(&WorkerState::seen);
  for (auto& worker : workers_) {
    worker->finish();
  }
  wait(
      Phase::closing, start_ns, steady_ns() + 3 * kSecondNs,
      [&] {
        return std::all_of(workers_.begin(), workers_.end(),
                           [](const auto& w) { return w->state.step == 3; }) &&
               sum(&WorkerState::open) == 0;
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
  workers_.clear(); // Joins the threads and publishes the last counts.
  result_.stats = board_.totals();
  return std::move(result_);
}

} // namespace spate::loadgen
