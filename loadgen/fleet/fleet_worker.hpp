// Spate - one thread of a fleet; part of fleet.cpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/clock.hpp"
#include "engine/base/histogram.hpp"
#include "engine/net/connection.hpp"
#include "engine/net/loop.hpp"
#include "loadgen/fleet/fleet.hpp"
#include "loadgen/fleet/thread_times.hpp"

namespace spate::loadgen {

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
    if (thread_.joinable()) {
      join();
    }
  }

  void begin(std::int64_t start_ns, std::int64_t measure_from_ns, std::int64_t end_ns) {
    loop_.post([this, start_ns, measure_from_ns, end_ns] {
      cpu_start_ns_ = thread_cpu_ns();
      wait_start_ns_ = thread_wait_ns();
      group_.begin(start_ns, measure_from_ns, steady_ns(), wall_ms(), end_ns);
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

  /// Thread: any.
  void expect(std::uint32_t device, bool under_way) {
    const std::lock_guard lock(hints_mutex_);
    hints_.emplace_back(device, under_way);
    hinted_.store(true, std::memory_order_release);
  }

  WorkerState state;
  /// Once the thread has ended.
  void join() {
    loop_.stop();
    thread_.join();
    group_.publish(board_);
  }
  [[nodiscard]] const Histogram& sweep() const noexcept { return sweep_; }

private:
  static constexpr std::int64_t kPreciseNs = 1'000'000;
  static constexpr std::uint64_t kPublishMs = 100;

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
    std::uint32_t expected = 0; ///< Commands under way to this device.
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
    state.subscribed.store(group_.subscribed(), std::memory_order_relaxed);
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
    for (const auto& [device, under_way] : taken_hints_) {
      Link& link = links_[device];
      link.expected += under_way ? 1 : link.expected == 0 ? 0 : ~std::uint32_t{0};
      if (link.connection != nullptr) {
        link.connection->set_hot(link.expected != 0);
      }
    }
    taken_hints_.clear();
  }

  bool before_poll() override {
    end_sweep();
    take_hints();
    const std::int64_t now_ns = steady_ns();
    if (group_.between(now_ns, loop_.wall_now_ms())) {
      return true;
    }
    if (!precise_) {
      return false;
    }
    group_.answer_due(now_ns);
    const bool answering = group_.next_answer_ns() < now_ns + kPreciseNs;
    const std::int64_t due_ns = load_ == nullptr ? Load::kNever : load_->next_ns();
    if (due_ns == Load::kAtOnce || due_ns == Load::kNever) {
      return answering; // No schedule to be precise about.
    }
    if (due_ns <= now_ns) {
      group_.tick(now_ns, loop_.wall_now_ms());
    }
    return answering || load_->next_ns() < now_ns + kPreciseNs;
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

  Result<void> connect(std::uint32_t device) override {
    Link& link = links_[device];
    auto made = loop_.connect(target_.host, target_.port, link.source, link);
    if (!made) {
      return fail(std::move(made.error()));
    }
    link.connection = *made;
    if (link.expected != 0) {
      link.connection->set_hot(true);
    }
    return {};
  }
  std::string& output(std::uint32_t device) override { return links_[device].connection->output(); }
  void sent(std::uint32_t device) override { links_[device].connection->sent(); }
  void flush(std::uint32_t device) override { links_[device].connection->flush(); }
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
