// Spate - a coordinator's side of one agent.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/net/listener.hpp"
#include "loadgen/agents/channel.hpp"
#include "loadgen/agents/clock_offset.hpp"
#include "loadgen/agents/stats_codec.hpp"
#include "loadgen/plan.hpp"
#include "loadgen/proof/ledger_import.hpp"
#include "loadgen/scenario/scenario.hpp"

namespace spate::loadgen {

struct AgentTask {
  net::Address address;
  std::string token; ///< Empty: none.
  Scenario share;
  RunSettings settings;
  LedgerWriter* ledger = nullptr; ///< Borrowed; null: none is kept.
};

/// What an agent said of itself, and how far it is.
struct AgentState {
  enum class Step : std::uint8_t {
    greeting,
    connecting, ///< Its devices connect.
    ready,      ///< They wait for the start.
    running,
    finished, ///< Its result is here.
    lost      ///< It is gone, or failed; what it told before counts.
  };
  Step step = Step::greeting;
  std::string version, host;
  std::uint64_t cores = 0, descriptors = 0;
  ClockOffset clock;
  std::string phase;
  double elapsed_s = 0;
  std::uint64_t connections = 0, online = 0, in_flight = 0;
  FleetResult result; ///< So far, or in the end; without its timeline.
  std::string fault;  ///< Why it is lost, or why its load ended early.
};

/// Thread: one of its own, that reads; the calls may come from any one other thread.
class AgentLink {
public:
  /// Begins at once: greeting, clock, preparation, connecting.
  explicit AgentLink(AgentTask task);
  ~AgentLink();
  AgentLink(const AgentLink&) = delete;
  AgentLink& operator=(const AgentLink&) = delete;

  [[nodiscard]] const AgentTask& task() const noexcept { return task_; }
  /// All of it: histograms too.
  [[nodiscard]] AgentState state() const;
  [[nodiscard]] AgentState::Step step() const;
  [[nodiscard]] std::string fault() const;
  /// How far it is; `done` once nothing more comes.
  [[nodiscard]] FleetProgress progress() const;
  /// Adds what it has counted so far.
  void add_to(Stats& totals) const;
  /// The seconds that came since the last call.
  [[nodiscard]] std::vector<AgentSecond> take_seconds();

  /// The load begins at `steady_ns` of our clock.
  void start(std::int64_t steady_ns);
  /// Ends its load early. One that has none yet is finished at once, with an empty result.
  void stop();
  /// About once a second, so that the agent knows that we are there.
  void alive();

private:
  void run();
  Result<void> greet();
  Result<void> measure_clock();
  Result<void> prepare();
  Result<void> follow();
  /// False: the result is here.
  Result<bool> on_message(const nlohmann::json& message);
  Result<void> on_report(const nlohmann::json& message);
  /// Waits for a message of this type. Error: connect_failed, with what the agent said instead.
  Result<nlohmann::json> await(const std::string& type, std::chrono::milliseconds patience);

  const AgentTask task_;
  std::atomic<bool> quit_{false};
  std::atomic<bool> stopped_{false};
  std::atomic<std::int64_t> start_ns_{0}; ///< Of the load, by our clock; 0: not yet.
  mutable std::mutex mutex_;
  AgentState state_;
  std::vector<AgentSecond> seconds_;
  std::unique_ptr<Channel> channel_; ///< Set under the mutex, once.
  std::unique_ptr<LedgerImport> ledger_;
  std::thread thread_;
};

} // namespace spate::loadgen
