#include "loadgen/fleet/stats.hpp"

#include "loadgen/base/hdr_codec.hpp"
#include "loadgen/fleet/stats_fields.hpp"

namespace spate::loadgen {

void Stats::error(std::string_view reason, std::uint64_t count) {
  auto found = errors.find(reason);
  if (found == errors.end()) {
    const bool room = errors.size() < kErrorReasonsMax;
    found = errors.emplace(room ? reason : std::string_view("other"), 0).first;
  }
  found->second += count;
}

void Stats::merge(const Stats& other) {
  for (const auto& [name, member] : kStatsCounts) {
    this->*member += other.*member;
  }
  for (const auto& [name, member] : kStatsTimes) {
    (this->*member).merge(other.*member);
  }
  for (const auto& [reason, count] : other.errors) {
    error(reason, count);
  }
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    reasons[i] += other.reasons[i];
  }
}

std::uint64_t Stats::error_count() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& [reason, count] : errors) {
    sum += count;
  }
  return sum;
}

void StatsBoard::publish(Stats& recent) {
  {
    const std::lock_guard lock(mutex_);
    totals_.merge(recent);
    recent_.merge(recent);
  }
  recent.clear();
}

Stats StatsBoard::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

Stats StatsBoard::take_recent() {
  Stats taken;
  const std::lock_guard lock(mutex_);
  std::swap(taken, recent_);
  return taken;
}

void Second::set_latency(const Histogram& latency) {
  p50_ns = latency.quantile(0.5);
  p90_ns = latency.quantile(0.9);
  p99_ns = latency.quantile(0.99);
  max_ns = latency.max();
  latency_hdr = latency.count() == 0 ? std::string() : hdr_base64(latency);
}

Stats StatsBoards::totals() const {
  Stats sum;
  for (const StatsBoard& board : boards_) {
    sum.merge(board.totals());
  }
  return sum;
}

Stats StatsBoards::take_recent() {
  Stats sum;
  for (StatsBoard& board : boards_) {
    sum.merge(board.take_recent());
  }
  return sum;
}

} // namespace spate::loadgen
