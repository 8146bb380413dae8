// Spate - an agent's side of one coordinator's run.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/result.hpp"
#include "loadgen/agents/channel.hpp"
#include "loadgen/agents/stats_codec.hpp"
#include "loadgen/plan.hpp"

namespace spate::loadgen {

inline constexpr int kAgentProtocol = 1;
/// A coordinator from which nothing was heard for so long is gone, and so is an agent.
inline constexpr std::int64_t kSilenceNs = 5'000'000'000;

/// Says hello, answers pings, runs its share of a scenario when it is told to, reports once a
/// second, and gives the result. A coordinator that is gone, or silent, ends the load.
///
///   hello -> hello;  ping -> pong;  prepare {scenario, threads, precise, sources, ledger} ->
///   prepared;  connect -> report ..., ready;  start {steady_ns} -> report ..., result;
///   stop: ends the load early;  alive: once a second;  error {text}: of either, the last one
/// Blocks of the ledger go out as they come, so that what an agent has told does not die with it.
///
/// Thread: its own for the load; run() in the caller's.
class AgentSession {
public:
  /// Whether the agent is free; it is this session's then. Called once, after the token was shown.
  using Claim = std::function<bool()>;
  /// Borrows all. `stop` is the process's.
  AgentSession(Channel& channel, const std::string& token, const std::atomic<bool>& stop,
               Claim claim);
  ~AgentSession();
  AgentSession(const AgentSession&) = delete;
  AgentSession& operator=(const AgentSession&) = delete;

  /// Returns when the coordinator is gone and the load has ended.
  void run();

private:
  bool greet();
  /// False: the session ends.
  bool on_message(const nlohmann::json& message);
  Result<void> prepare(const nlohmann::json& message);
  void run_load(FleetPlan plan);
  void report(const FleetProgress& progress, const StatsBoards& boards);
  [[nodiscard]] nlohmann::json take_seconds();
  void complain(const std::string& text);

  Channel& channel_;
  const std::string& token_;
  const std::atomic<bool>& process_stop_;
  const Claim claim_;
  std::atomic<bool> stop_{false};
  std::atomic<std::int64_t> start_ns_{0}; ///< 0: not told yet.
  std::unique_ptr<PlannedRun> run_;
  bool ledger_ = false;
  std::thread thread_;

  // Of the load's thread.
  bool ready_ = false;
  std::int64_t next_report_ns_ = 0;
  std::vector<AgentSecond> seconds_; ///< Not reported yet.
  std::vector<std::string> cohorts_; ///< Their names.
};

} // namespace spate::loadgen
