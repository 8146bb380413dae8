// Spate - one thread of a fleet; part of fleet.cpp.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/clock.hpp"
#include "engine/base/histogram.hpp"
#include "engine/net/loop.hpp"
#include "loadgen/fleet/fleet.hpp"
#include "loadgen/fleet/group_port.hpp"
#include "loadgen/fleet/thread_times.hpp"

namespace spate::loadgen {

/// One thread: a loop, and a group for its part of each cohort.
class Fleet::Worker final : private net::LoopHooks {
public:
  /// Borrows `plan` and `boards`.
  Worker(const FleetPlan& plan, std::uint32_t thread, StatsBoards& boards)
      : precise_(plan.precise), commanded_(plan.commanded), boards_(boards) {
    std::uint32_t before = 0; // Connections of the cohorts before.
    for (const CohortPlan& cohort : plan.cohorts) {
      ports_.push_back(make_port(plan, cohort, thread, before));
      before += cohort.clients.size();
    }
    loop_.set_hooks(*this);
    loop_.set_left_bytes_max(kLeftBytesMax);
    loop_.every(1, [this] { tick(); });
    loop_.every(kPublishMs, [this] { publish(); });
    loop_.post(
        [this] { for_groups([](DeviceGroup& group) { group.start_connecting(steady_ns()); }); });
  }

  ~Worker() override {
    if (thread_.joinable()) {
      join();
    }
  }

  void start() {
    thread_ = std::thread([this] { loop_.run(); });
  }

  void begin(std::int64_t start_ns, std::int64_t measure_from_ns, std::int64_t end_ns) {
    loop_.post([this, start_ns, measure_from_ns, end_ns] {
      cpu_start_ns_ = thread_cpu_ns();
      wait_start_ns_ = thread_wait_ns();
      for_groups([&](DeviceGroup& group) {
        group.begin(start_ns, measure_from_ns, steady_ns(), wall_ms(), end_ns);
      });
      carried_out(1);
    });
  }
  void end(std::int64_t end_ns) {
    loop_.post([this, end_ns] {
      for_groups([end_ns](DeviceGroup& group) { group.stop(end_ns); });
      state.cpu_ns = thread_cpu_ns() - cpu_start_ns_;
      state.wait_ns = thread_wait_ns() - wait_start_ns_;
      carried_out(2);
    });
  }
  void finish() {
    loop_.post([this] {
      for_groups([](DeviceGroup& group) { group.finish(steady_ns()); });
      carried_out(3);
    });
  }

  /// Connection number `connection` of this thread's part of the commanded cohort. Thread: any.
  void expect(std::uint32_t connection, bool under_way) {
    const std::lock_guard lock(hints_mutex_);
    hints_.emplace_back(connection, under_way);
    hinted_.store(true, std::memory_order_release);
  }

  WorkerState state;
  /// Thread: any.
  [[nodiscard]] std::uint64_t read(std::size_t cohort,
                                   std::atomic<std::uint64_t> GroupState::*what) const {
    return ports_[cohort] ? (ports_[cohort]->state.*what).load(std::memory_order_relaxed) : 0;
  }
  [[nodiscard]] bool all(std::atomic<bool> GroupState::*flag) const {
    return std::all_of(ports_.begin(), ports_.end(),
                       [flag](const auto& port) { return !port || (port->state.*flag).load(); });
  }

  void join() {
    loop_.stop();
    thread_.join();
    publish();
  }
  /// Once the thread has ended.
  [[nodiscard]] const Histogram& sweep() const noexcept { return sweep_; }

private:
  static constexpr std::int64_t kPreciseNs = 1'000'000;
  static constexpr std::uint64_t kPublishMs = 100;
  /// Pieces of packets that subscribers of this thread have got, of all together.
  static constexpr std::size_t kLeftBytesMax = std::size_t{1} << 30;

  /// Null if the cohort has fewer connections than there are threads before this one.
  std::unique_ptr<GroupPort> make_port(const FleetPlan& plan, const CohortPlan& cohort,
                                       std::uint32_t thread, std::uint32_t before) {
    const std::uint32_t connections = cohort.clients.size();
    DeviceShare share;
    share.names = &cohort.names;
    share.clients = &cohort.clients;
    share.connections =
        connections / plan.threads + (thread < connections % plan.threads ? 1u : 0u);
    share.members = cohort.members;
    share.first = thread;
    share.stride = plan.threads;
    if (share.connections == 0) {
      return nullptr;
    }
    GroupPlan group = cohort.group;
    group.connects_per_s /= plan.threads;
    group.connecting_max = std::max(1u, group.connecting_max / plan.threads);
    group.seed += thread;
    const std::uint32_t number =
        before + connections / plan.threads * thread + std::min(thread, connections % plan.threads);
    return std::make_unique<GroupPort>(plan, cohort, std::move(group), share, number,
                                       cohort.make_load ? cohort.make_load(share) : nullptr, loop_);
  }

  template <class Do>
  void for_groups(Do&& act) {
    for (auto& port : ports_) {
      if (port) {
        act(port->group());
      }
    }
  }

  void publish() {
    for (std::size_t cohort = 0; cohort < ports_.size(); ++cohort) {
      if (ports_[cohort]) {
        ports_[cohort]->group().publish(boards_.cohort(cohort));
      }
    }
  }

  void carried_out(int step) {
    tell();
    state.step.store(step, std::memory_order_release);
  }

  void tick() {
    for_groups([this](DeviceGroup& group) { group.tick(steady_ns(), loop_.wall_now_ms()); });
    tell();
  }

  void tell() {
    for (auto& port : ports_) {
      if (port) {
        port->tell();
      }
    }
  }

  /// No wake-up: a loop that waits for its sockets is quick anyway.
  void take_hints() {
    if (!hinted_.load(std::memory_order_acquire)) {
      return;
    }
    {
      const std::lock_guard lock(hints_mutex_);
      hints_.swap(taken_hints_);
      hinted_.store(false, std::memory_order_relaxed);
    }
    for (const auto& [connection, under_way] : taken_hints_) {
      ports_[commanded_]->expect(connection, under_way);
    }
    taken_hints_.clear();
  }

  bool before_poll() override {
    end_sweep();
    take_hints();
    bool more = false;
    for (auto& port : ports_) {
      more |= port && serve(*port);
    }
    return more;
  }

  /// True if there is more to do at once.
  bool serve(GroupPort& port) {
    DeviceGroup& group = port.group();
    const std::int64_t now_ns = steady_ns();
    if (group.between(now_ns, loop_.wall_now_ms())) {
      return true;
    }
    if (!precise_) {
      return false;
    }
    group.answer_due(now_ns);
    const bool answering = group.next_answer_ns() < now_ns + kPreciseNs;
    const std::int64_t due_ns = port.load() == nullptr ? Load::kNever : port.load()->next_ns();
    if (due_ns == Load::kAtOnce || due_ns == Load::kNever) {
      return answering; // No schedule to be precise about.
    }
    if (due_ns <= now_ns) {
      group.tick(now_ns, loop_.wall_now_ms());
    }
    return answering || port.load()->next_ns() < now_ns + kPreciseNs;
  }

  // The part of a loop's turn that a device may wait for its own.
  void between_reads() override {
    sweep_start_ns_ = sweep_start_ns_ == 0 ? steady_ns() : sweep_start_ns_;
    take_hints();
  }
  void between_writes() override { take_hints(); }
  void end_sweep() {
    if (sweep_start_ns_ != 0 && state.step.load(std::memory_order_relaxed) == 1) {
      const auto sweep_ns = static_cast<std::uint64_t>(steady_ns() - sweep_start_ns_);
      sweep_.record(sweep_ns, 1 + sweep_ns / 1000); // By its length, as a command meets it.
    }
    sweep_start_ns_ = 0;
  }

  const bool precise_;
  const std::size_t commanded_;
  StatsBoards& boards_;
  net::Loop loop_;
  std::vector<std::unique_ptr<GroupPort>> ports_; ///< By cohort.
  std::mutex hints_mutex_;
  std::vector<std::pair<std::uint32_t, bool>> hints_; ///< At most the commands under way, twice.
  std::vector<std::pair<std::uint32_t, bool>> taken_hints_;
  std::atomic<bool> hinted_{false};
  Histogram sweep_;
  std::int64_t sweep_start_ns_ = 0;
  std::int64_t cpu_start_ns_ = 0;
  std::int64_t wait_start_ns_ = 0;
  std::thread thread_;
};

} // namespace spate::loadgen
