#include "loadgen/fleet/stats.hpp"

#include "loadgen/base/hdr_codec.hpp"

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
  connects += other.connects;
  connect_failures += other.connect_failures;
  refused_expired += other.refused_expired;
  connections_lost += other.connections_lost;
  sent += other.sent;
  sent_bytes += other.sent_bytes;
  received += other.received;
  received_bytes += other.received_bytes;
  delivery.merge(other.delivery);
  connections_cut += other.connections_cut;
  half_open += other.half_open;
  half_open_closed += other.half_open_closed;
  faulty_answered += other.faulty_answered;
  faulty_unanswered += other.faulty_unanswered;
  cut_unknown += other.cut_unknown;
  withheld += other.withheld;
  resent += other.resent;
  acked += other.acked;
  refused += other.refused;
  lost += other.lost;
  unsent += other.unsent;
  measured_sent += other.measured_sent;
  measured_acked += other.measured_acked;
  commands += other.commands;
  commands_repeated += other.commands_repeated;
  commands_unanswerable += other.commands_unanswerable;
  answers += other.answers;
  answers_resent += other.answers_resent;
  answers_acked += other.answers_acked;
  answers_refused += other.answers_refused;
  answers_lost += other.answers_lost;
  answer_lag.merge(other.answer_lag);
  latency.merge(other.latency);
  service.merge(other.service);
  connect.merge(other.connect);
  lag.merge(other.lag);
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
