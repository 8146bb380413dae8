// Spate - the timelines of several agents as one.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "loadgen/agents/stats_codec.hpp"

namespace spate::loadgen {

/// Puts together the seconds that agents report. A second that all have passed is closed: of it
/// only what a report shows is kept, since the histograms of a day would be 3 GB. Thread: one.
class AgentTimeline {
public:
  /// So many are open at most: then the oldest is closed, whoever has not passed it.
  static constexpr std::size_t kOpenSecondsMax = 120;

  explicit AgentTimeline(std::size_t agents) : passed_(agents) {}

  /// The next second of an agent. One that was closed before adds its counts, not its latencies.
  void add(std::size_t agent, const AgentSecond& second);
  /// Nothing more comes from this agent.
  void end(std::size_t agent);

  /// All seconds, and the end of it.
  [[nodiscard]] std::vector<Second> finish();
  [[nodiscard]] std::size_t open() const noexcept { return open_.size(); }

private:
  void close_passed();
  void close_one();

  std::vector<std::uint64_t> passed_; ///< By agent: it has reported all seconds before.
  std::vector<Second> closed_;
  std::deque<AgentSecond> open_; ///< Those behind.
};

} // namespace spate::loadgen
