// Spate - `$SYS/broker/...`: what existing dashboards read from an MQTT server, as mosquitto names
// it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/model/application_message.hpp"

namespace spate::actors {

/// Counts of a moment, from which the topics are made.
struct SysFigures {
  std::string version;
  std::uint64_t uptime_s = 0;
  std::uint64_t clients_connected = 0;
  std::uint64_t clients_disconnected = 0; ///< Kept sessions without a connection.
  std::uint64_t subscriptions = 0;
  std::uint64_t retained = 0;
  std::uint64_t queued = 0;
  std::uint64_t queued_bytes = 0;
  std::uint64_t rss_bytes = 0;
  // Since the start.
  std::uint64_t packets_received = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t publishes_received = 0;
  std::uint64_t publishes_sent = 0;
  std::uint64_t publishes_dropped = 0;
  std::uint64_t connects = 0;
};

/// The newest values, which new subscribers get like retained messages. Thread-safe.
class SysTopics {
public:
  static constexpr std::uint64_t kPeriodMs = 10'000;

  using Messages = std::vector<model::SharedMessage>;
  /// Takes new figures, kPeriodMs after the last; gives all topics.
  std::shared_ptr<const Messages> update(const SysFigures& figures);
  /// Those that a filter takes.
  [[nodiscard]] Messages matching(std::string_view filter) const;

private:
  /// Averages a minute over the last 1, 5 and 15 minutes, as those of a load.
  struct Load {
    std::uint64_t last = 0;
    double averages[3] = {0, 0, 0};
  };
  void add_load(Messages& out, std::string_view name, Load& load, std::uint64_t count) const;

  mutable std::mutex mutex_;
  std::shared_ptr<const Messages> messages_ = std::make_shared<const Messages>();
  bool first_ = true;
  Load received_;
  Load sent_;
  Load bytes_;
  Load connects_;
};

} // namespace spate::actors
