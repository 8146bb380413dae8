#include "loadgen/agents/agent_timeline.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace spate::loadgen {

namespace {

void add_counts(Second& to, const Second& from) {
  to.sent += from.sent;
  to.acked += from.acked;
  to.errors += from.errors;
  to.in_flight += from.in_flight;
  to.connected += from.connected;
}

} // namespace

void AgentTimeline::add(std::size_t agent, const AgentSecond& second) {
  const auto number = second.counts.second;
  if (number < closed_.size()) {
    add_counts(closed_[number], second.counts);
    return;
  }
  while (number >= closed_.size() + open_.size()) {
    if (open_.size() == kOpenSecondsMax) {
      close_one();
    }
    const std::uint64_t next = closed_.size() + open_.size();
    open_.emplace_back().counts.second = next;
  }
  AgentSecond& sum = open_[number - closed_.size()];
  add_counts(sum.counts, second.counts);
  sum.latency.merge(second.latency);
  passed_[agent] = std::max(passed_[agent], number + 1);
  close_passed();
}

void AgentTimeline::end(std::size_t agent) {
  passed_[agent] = std::numeric_limits<std::uint64_t>::max();
  close_passed();
}

void AgentTimeline::close_passed() {
  const auto passed = *std::min_element(passed_.begin(), passed_.end());
  while (!open_.empty() && closed_.size() < passed) {
    close_one();
  }
}

void AgentTimeline::close_one() {
  Second& one = closed_.emplace_back(std::move(open_.front().counts));
  one.set_latency(open_.front().latency);
  open_.pop_front();
}

std::vector<Second> AgentTimeline::finish() {
  while (!open_.empty()) {
    close_one();
  }
  return std::exchange(closed_, {});
}

} // namespace spate::loadgen
