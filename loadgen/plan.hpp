// Spate - a scenario made ready to run: files read, names and addresses resolved, limits checked.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "loadgen/fleet/fleet.hpp"
#include "loadgen/scenario/scenario.hpp"

namespace spate::loadgen {

/// How a scenario is run, beside what it is.
struct RunSettings {
  std::uint32_t threads = 1;
  bool precise = false;
  std::string sources = "auto";
  /// HOST:PORT,HOST:PORT or local:COUNT; empty: the load is this process's.
  std::string agents;
  std::string agents_token_file;         ///< Empty: none.
  std::uint32_t receive_connections = 0; ///< Of a subscriber beside the load, for what fits.
};

/// What a fleet's loads are made of; outlives the fleet.
class PlannedRun {
public:
  /// Reads payloads and recordings. Borrows the scenario. Errors: usage, address_invalid,
  /// connect_failed (a host name), file_unreadable, malformed_payload, each with what is wrong
  /// where.
  static Result<std::unique_ptr<PlannedRun>> make(const Scenario& scenario,
                                                  const RunSettings& settings);
  ~PlannedRun();
  PlannedRun(const PlannedRun&) = delete;
  PlannedRun& operator=(const PlannedRun&) = delete;

  /// Call once.
  [[nodiscard]] FleetPlan take_plan() { return std::move(plan_); }
  [[nodiscard]] const FleetPlan& plan() const noexcept { return plan_; }
  /// Messages in all; 0 = unknown.
  [[nodiscard]] std::uint64_t messages() const noexcept { return messages_; }
  /// Of the load; 0 = unknown.
  [[nodiscard]] double duration_s() const noexcept { return duration_s_; }
  /// After the fleet has ended: why a load ended early; empty if none did.
  [[nodiscard]] std::string fault();

private:
  struct Source;
  PlannedRun() = default;
  Result<void> add(const Scenario& scenario, const Cohort& cohort, const std::string& server_name,
                   std::uint32_t threads);

  FleetPlan plan_;
  std::vector<std::unique_ptr<Source>> sources_;
  std::uint64_t messages_ = 0;
  double duration_s_ = 0;
};

/// The window where the scenario names none. MQTT 3.1.1 has no word for how many messages of QoS 2
/// a server takes at a time, and mosquitto closes the connection above 20.
[[nodiscard]] std::uint32_t window_of(const Cohort& cohort) noexcept;

} // namespace spate::loadgen
