#include "loadgen/report/commands_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "loadgen/report/report.hpp"

namespace spate::loadgen {

namespace {

using nlohmann::json;

double cpu_us(const CommanderResult& result) noexcept {
  return 1e6 * result.cpu_s / static_cast<double>(std::max<std::uint64_t>(result.stats.posted, 1));
}

bool is_saturated(const CommandStats& stats) noexcept {
  return static_cast<double>(stats.lag.quantile(0.99)) / 1e6 > kLagMsMax;
}

template <class Counts>
std::string list_of(const Counts& counts) {
  std::string text;
  for (const auto& [name, count] : counts) {
    text += text.empty() ? "" : "   ";
    if constexpr (std::is_same_v<std::decay_t<decltype(name)>, long>) {
      text += std::to_string(name);
    } else {
      text += name;
    }
    text += " " + grouped(count);
  }
  return text.empty() ? "none" : text;
}

double deviation_of(const Histogram& times) {
  double squares = 0;
  const double mean = times.mean();
  times.for_each([&](std::uint64_t value, std::uint64_t count) {
    squares += static_cast<double>(count) * (static_cast<double>(value) - mean) *
               (static_cast<double>(value) - mean);
  });
  return times.count() == 0 ? 0 : std::sqrt(squares / static_cast<double>(times.count()));
}

} // namespace

std::string commands_fault(const CommandStats& stats) {
  std::string text;
  const auto blame = [&text](std::uint64_t count, const char* what) {
    if (count != 0) {
      text += (text.empty() ? "" : "; ") + grouped(count) + what;
    }
  };
  if (stats.posted == 0) {
    return "no command was posted";
  }
  blame(stats.posted - stats.succeeded - stats.lost, " commands did not succeed");
  blame(stats.lost, " commands got no HTTP answer");
  blame(stats.unsent, " commands were due and could not be posted");
  return text;
}

std::string commands_table(const CommandsHead& head, const CommanderResult& result) {
  const CommandStats& stats = result.stats;
  std::string out;
  table_row(out, "commands",
            "posted " + grouped(stats.posted) + "   succeeded " + grouped(stats.succeeded) +
                "   lost " + grouped(stats.lost) + "   unsent " + grouped(stats.unsent) +
                formatted("   at %.0f/s", head.rate) + (head.poisson ? " (Poisson)" : "") + " to " +
                head.api);
  table_row(out, "command ms",
            times_text(stats.latency) + "  (from the intended time to the answer)");
  table_row(out, "service ms", times_text(stats.service) + "  (from the actual time)");
  if (stats.node.count() != 0) {
    table_row(out, "node ms", times_text(stats.node) + "  (the node's own account)");
  }
  table_row(out, "states", list_of(stats.states));
  table_row(out, "HTTP", list_of(stats.statuses));
  table_row(out, "poster",
            formatted("%.1f CPU-us a command; 99%% within %.3f ms of their time; ", cpu_us(result),
                      static_cast<double>(stats.lag.quantile(0.99)) / 1e6) +
                grouped(result.connections) + " connections" +
                (is_saturated(stats) ? "; IT WAS THE BOTTLENECK: give it a core of its own" : ""));
  for (const auto& [reason, count] : stats.errors) {
    table_row(out, "error", grouped(count) + " x " + reason);
  }
  return out;
}

json commands_json(const CommandsHead& head, const CommanderResult& result) {
  const CommandStats& stats = result.stats;
  json statuses = json::object();
  for (const auto& [status, count] : stats.statuses) {
    statuses[std::to_string(status)] = count;
  }
  return {{"api", head.api},
          {"asked_per_s", head.rate},
          {"arrival", head.poisson ? "poisson" : "fixed"},
          {"seconds", rounded(result.seconds)},
          {"posted", stats.posted},
          {"succeeded", stats.succeeded},
          {"lost", stats.lost},
          {"unsent", stats.unsent},
          {"measured", stats.measured},
          {"states", stats.states},
          {"http_statuses", statuses},
          {"errors", stats.errors},
          {"latency_ms", times_json(stats.latency)},
          {"service_ms", times_json(stats.service)},
          {"node_ms", times_json(stats.node)},
          {"poster",
           {{"schedule_lag_ms", times_json(stats.lag)},
            {"cpu_s", rounded(result.cpu_s)},
            {"cpu_us_per_command", rounded(cpu_us(result))},
            {"waiting_s", rounded(result.wait_s)},
            {"connections", result.connections},
            {"raised_priority", result.raised},
            {"saturated", is_saturated(stats)}}}};
}

std::string hdr_text(const Histogram& times) {
  constexpr double kTicksPerHalf = 5; // As HdrHistogram's own tools.
  std::string out = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n";
  char line[128];
  const auto total = static_cast<double>(times.count());
  double wanted = 0; // Percentile of the next line, 0 to 100.
  std::uint64_t below = 0;
  times.for_each([&](std::uint64_t value, std::uint64_t count) {
    below += count;
    const double value_ms = static_cast<double>(std::min(value, times.max())) / 1e6;
    const double reached = 100 * static_cast<double>(below) / total;
    while (below < times.count() && wanted <= reached) {
      std::snprintf(line, sizeof line, "%12.3f %2.12f %10llu %14.2f\n", value_ms, wanted / 100,
                    static_cast<unsigned long long>(below), 1 / (1 - wanted / 100));
      out += line;
      const double halves = std::floor(std::log2(100 / (100 - wanted))) + 1;
      wanted += 100 / (kTicksPerHalf * std::exp2(halves));
    }
    if (below == times.count()) {
      std::snprintf(line, sizeof line, "%12.3f %2.12f %10llu\n", value_ms, 1.0,
                    static_cast<unsigned long long>(below));
      out += line;
    }
  });
  std::snprintf(line, sizeof line, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n",
                times.mean() / 1e6, deviation_of(times) / 1e6);
  out += line;
  std::snprintf(line, sizeof line, "#[Max     = %12.3f, Total count    = %12llu]\n",
                static_cast<double>(times.max()) / 1e6,
                static_cast<unsigned long long>(times.count()));
  out += line;
  out += "#[Buckets =           36, SubBuckets     =          128]\n"; // 2^42 in steps of 1/128.
  return out;
}

} // namespace spate::loadgen
