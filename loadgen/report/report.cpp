#include "loadgen/report/report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "engine/wire/packets.hpp"
#include "loadgen/report/fault_counts.hpp"

namespace spate::loadgen {

namespace {

using nlohmann::json;

double ms(std::uint64_t ns) noexcept {
  return static_cast<double>(ns) / 1e6;
}

double highest(const std::vector<double>& shares) noexcept {
  return shares.empty() ? 0 : *std::max_element(shares.begin(), shares.end());
}

double busiest(const FleetResult& result) noexcept {
  double most = 0;
  for (std::size_t i = 0; i < std::min(result.cpu_share.size(), result.wait_share.size()); ++i) {
    most = std::max(most, result.cpu_share[i] + result.wait_share[i]);
  }
  return most;
}

} // namespace

double per_second(std::uint64_t count, double seconds) noexcept {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

double rate_of(const ReportHead& head, const FleetResult& result) noexcept {
  const Stats& stats = result.stats;
  return per_second(head.qos == 0 ? stats.measured_sent : stats.measured_acked, result.measured_s);
}

double rounded(double value) noexcept {
  return std::round(value * 1e3) / 1e3;
}

json times_json(const Histogram& times) {
  if (times.count() == 0) {
    return nullptr;
  }
  return {{"count", times.count()},
          {"p50", rounded(ms(times.quantile(0.5)))},
          {"p90", rounded(ms(times.quantile(0.9)))},
          {"p99", rounded(ms(times.quantile(0.99)))},
          {"p999", rounded(ms(times.quantile(0.999)))},
          {"max", rounded(ms(times.max()))},
          {"mean", rounded(times.mean() / 1e6)}};
}

void table_row(std::string& out, std::string_view name, const std::string& text) {
  out += "  ";
  out += name;
  out.append(name.size() < 12 ? 12 - name.size() : 1, ' ');
  out += text;
  out += '\n';
}

std::string times_text(const Histogram& times) {
  if (times.count() == 0) {
    return "none measured";
  }
  std::string text;
  const auto add = [&text](const char* name, double value) {
    text += text.empty() ? "" : "   ";
    text += name;
    text += formatted(value < 10 ? " %.3f" : value < 1000 ? " %.1f" : " %.0f", value);
  };
  add("p50", ms(times.quantile(0.5)));
  add("p90", ms(times.quantile(0.9)));
  add("p99", ms(times.quantile(0.99)));
  add("p99.9", ms(times.quantile(0.999)));
  add("max", ms(times.max()));
  add("mean", times.mean() / 1e6);
  return text;
}

std::string grouped(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

std::string formatted(const char* format, double a, double b) {
  char buffer[160];
  const int size = std::snprintf(buffer, sizeof buffer, format, a, b);
  return std::string(buffer, std::min<std::size_t>(static_cast<std::size_t>(std::max(size, 0)),
                                                   sizeof buffer - 1));
}

Verdict judge(const ReportHead& head, const FleetResult& result) {
  Verdict verdict;
  const Stats& stats = result.stats;
  const auto blame = [&verdict](const std::string& what) {
    verdict.text += (verdict.text.empty() ? "" : "; ") + what;
  };
  if (!head.begun) {
    verdict.text = head.beside_fault;
    verdict.saturation = "nothing was sent";
    return verdict;
  }
  // A device that reconnects may be offline when the load begins, but not all the time.
  const std::uint64_t connected = head.reconnect ? result.seen : result.connected;
  if (connected < head.devices) {
    blame(grouped(head.devices - connected) + " of " + grouped(head.devices) +
          " devices did not connect");
  }
  if (head.answering && result.subscribed < result.connected) {
    blame(grouped(result.connected - result.subscribed) + " devices could not subscribe");
  }
  if (stats.answers_lost + stats.answers_refused + stats.commands_unanswerable != 0) {
    blame(grouped(stats.answers_lost) + " answers to commands were never acknowledged, " +
          grouped(stats.answers_refused) + " refused, and " + grouped(stats.commands_unanswerable) +
          " commands could not be answered");
  }
  if (!head.beside_fault.empty()) {
    blame(head.beside_fault);
  }
  if (stats.sent == 0 && !head.idle) {
    blame("no message was sent");
  }
  if (result.stalled) {
    blame("nothing moved any more before all was sent");
  }
  if (stats.lost != 0) {
    blame(grouped(stats.lost) + " sent messages were never answered");
  }
  if (stats.refused != 0) {
    blame(grouped(stats.refused) + " messages were refused");
  }
  if (stats.unsent != 0) {
    blame(grouped(stats.unsent) + " messages were due and could not be sent");
  }
  if (!head.reconnect && stats.connections_lost != 0) {
    blame(grouped(stats.connections_lost) + " connections were lost");
  }
  if (verdict.text.empty() && !head.reconnect && stats.error_count() != 0) {
    blame(grouped(stats.error_count()) + " errors");
  }
  verdict.ok = verdict.text.empty();
  if (verdict.ok) {
    verdict.text = result.interrupted ? "ok (ended early)" : "ok";
  }

  const double lag_ms = ms(stats.lag.quantile(0.99));
  const double busy = busiest(result);
  const std::string figures =
      stats.lag.count() != 0
          ? formatted("99%% of the messages within %.2f ms of their time, busiest thread at %.0f%%",
                      lag_ms, 100 * highest(result.cpu_share))
          : formatted("busiest thread at %.0f%% of a core", 100 * highest(result.cpu_share));
  if (stats.lag.count() != 0 && lag_ms > kLagMsMax) {
    verdict.saturated = true;
  } else if ((!head.precise || head.closed_loop) && busy > kBusyShareMax) {
    verdict.saturated = true;
  }
  verdict.saturation = verdict.saturated ? "the generator was the bottleneck (" + figures +
                                               formatted(", waiting for a core %.0f%%",
                                                         100 * highest(result.wait_share)) +
                                               "): give it --threads or cores of its own"
                                         : "the generator kept up (" + figures + ")";
  return verdict;
}

namespace {

std::string answering_text(const FleetResult& result) {
  const Stats& stats = result.stats;
  std::string text = "received " + grouped(stats.commands) + "   repeated " +
                     grouped(stats.commands_repeated) + "   answered " + grouped(stats.answers) +
                     "   answers acked " + grouped(stats.answers_acked);
  if (stats.answers_resent != 0) {
    text += "   sent again " + grouped(stats.answers_resent);
  }
  return text;
}

} // namespace

std::string report_table(const ReportHead& head, const FleetResult& result) {
  const Stats& stats = result.stats;
  const Verdict verdict = judge(head, result);
  std::string out;
  table_row(out, "target", head.target);
  table_row(out, "load", head.load);
  table_row(
      out, "connected",
      grouped(result.connected) + " of " + grouped(head.devices) +
          formatted(" in %.2f s", result.connect_s) +
          (stats.connect_failures != 0 ? ", " + grouped(stats.connect_failures) + " failed attempts"
                                       : "") +
          (stats.connections_lost != 0 ? ", " + grouped(stats.connections_lost) + " lost later"
                                       : ""));
  table_row(out, "connect ms", times_text(stats.connect));
  out += head.beside_rows;
  if (head.answering) {
    table_row(out, "devices", answering_text(result));
  }
  if (stats.sent != 0 || stats.unsent != 0) {
    table_row(out, "messages",
              "sent " + grouped(stats.sent) + "   acked " + grouped(stats.acked) + "   lost " +
                  grouped(stats.lost) + "   refused " + grouped(stats.refused) + "   unsent " +
                  grouped(stats.unsent) +
                  (stats.resent != 0 ? "   sent again " + grouped(stats.resent) : ""));
    table_row(out, "rate",
              grouped(static_cast<std::uint64_t>(std::llround(rate_of(head, result)))) +
                  (head.qos == 0 ? " sent/s" : " acked/s") +
                  formatted(" over %.1f s", result.measured_s) +
                  (head.rate > 0 ? formatted(" (asked for %.0f/s)", head.rate) : ""));
    if (head.qos != 0) {
      table_row(out, "latency ms",
                times_text(stats.latency) + (head.closed_loop
                                                 ? "  (closed loop: from the actual send time)"
                                                 : "  (from the intended send time)"));
      if (!head.closed_loop) {
        table_row(out, "service ms", times_text(stats.service) + "  (from the actual send time)");
      }
    }
    const double cpu_us =
        1e6 * result.cpu_s / static_cast<double>(std::max<std::uint64_t>(stats.sent, 1));
    table_row(out, "generator", formatted("%.3f CPU-us a message; ", cpu_us) + verdict.saturation);
  }
  for (const FaultCount& fault : kFaultCounts) {
    if (stats.*fault.count != 0) {
      table_row(out, "fault", grouped(stats.*fault.count) + " x " + fault.words);
    }
  }
  for (const auto& [reason, count] : stats.errors) {
    table_row(out, "error", grouped(count) + " x " + reason);
  }
  for (std::size_t code = 1; code < stats.reasons.size(); ++code) {
    if (stats.reasons[code] != 0) {
      table_row(out, "reason",
                grouped(stats.reasons[code]) + " x " +
                    std::string(wire::name_of(static_cast<wire::Reason>(code))));
    }
  }
  table_row(out, "result", verdict.ok ? verdict.text : "FAILED: " + verdict.text);
  return out;
}

} // namespace spate::loadgen
