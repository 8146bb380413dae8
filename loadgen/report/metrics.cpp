#include "loadgen/report/metrics.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "loadgen/report/report.hpp"

namespace spate::loadgen {

namespace {

/// Times: "ack_p99" is a histogram's name and one of its figures.
struct TimeMetric {
  std::string_view name;
  std::string_view about;
  const Histogram Stats::*of; ///< Null: of the commands.
};
constexpr TimeMetric kTimes[] = {
    {"ack", "from the intended send time to the acknowledgement", &Stats::latency},
    {"service", "from the actual send time to the acknowledgement", &Stats::service},
    {"connect", "from connect() to CONNACK", &Stats::connect},
    {"command", "from the time a command was due to the device's answer", nullptr},
    {"delivery", "from the device's time to a subscriber", &Stats::delivery},
    {"generator_lag", "how late the generator itself was", &Stats::lag},
};

struct CountMetric {
  std::string_view name;
  std::string_view about;
  std::uint64_t Stats::*of;
};
constexpr CountMetric kCounts[] = {
    {"sent", "messages sent for the first time", &Stats::sent},
    {"acked", "messages acknowledged", &Stats::acked},
    {"lost", "messages sent and never answered", &Stats::lost},
    {"refused", "messages answered with an error", &Stats::refused},
    {"unsent", "messages due and never sent", &Stats::unsent},
    {"resent", "messages sent again after a lost connection", &Stats::resent},
    {"received", "messages that came by subscriptions", &Stats::received},
    {"connections_lost", "connections closed while in use", &Stats::connections_lost},
    {"connect_failures", "attempts to connect that failed", &Stats::connect_failures},
};

struct OtherMetric {
  std::string_view name;
  std::string_view about;
  MetricUnit unit;
  bool cohorts; ///< Whether it is known of each.
};
constexpr OtherMetric kOthers[] = {
    {"errors", "errors of all kinds", MetricUnit::count, true},
    {"rate", "messages acknowledged per second", MetricUnit::rate, true},
    {"sent_rate", "messages sent per second", MetricUnit::rate, true},
    {"connected_share", "connections that came online at least once", MetricUnit::share, true},
    {"acked_share", "messages acknowledged, of those that were due", MetricUnit::share, true},
    {"commands_failed", "commands that did not succeed", MetricUnit::count, false},
    {"server_cpu_us_per_message", "needs --server-pid or --server-metrics", MetricUnit::cpu_us,
     false},
    {"server_rss_bytes", "the largest; needs the same", MetricUnit::bytes, false},
};

const TimeMetric* time_metric(std::string_view metric, std::string_view& figure) {
  for (const TimeMetric& time : kTimes) {
    if (metric.size() > time.name.size() && metric.starts_with(time.name) &&
        metric[time.name.size()] == '_') {
      figure = metric.substr(time.name.size() + 1);
      return &time;
    }
  }
  return nullptr;
}

std::optional<double> figure_of(const Histogram& times, std::string_view figure) {
  if (times.count() == 0) {
    return std::nullopt;
  }
  if (figure == "max") {
    return static_cast<double>(times.max());
  }
  if (figure == "min") {
    return static_cast<double>(times.min());
  }
  if (figure == "mean") {
    return times.mean();
  }
  return static_cast<double>(times.quantile(quantile_named(figure).value_or(1)));
}

std::optional<double> share_of(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? std::nullopt
                    : std::optional(static_cast<double>(part) / static_cast<double>(whole));
}

} // namespace

std::optional<double> quantile_named(std::string_view name) {
  if (!name.starts_with('p') || name.size() > 12) {
    return std::nullopt;
  }
  name.remove_prefix(1);
  double percent = 0;
  const auto read =
      std::from_chars(name.data(), name.data() + name.size(), percent, std::chars_format::fixed);
  if (read.ec != std::errc{} || read.ptr != name.data() + name.size() || !(percent >= 0)) {
    return std::nullopt;
  }
  while (percent > 100 && name.find('.') == std::string_view::npos) {
    percent /= 10; // p999 is 99.9.
  }
  return percent > 100 ? std::nullopt : std::optional(percent / 100);
}

std::optional<MetricUnit> unit_of_metric(std::string_view metric) {
  std::string_view figure;
  if (time_metric(metric, figure) != nullptr &&
      (figure == "max" || figure == "min" || figure == "mean" || quantile_named(figure))) {
    return MetricUnit::time;
  }
  for (const CountMetric& count : kCounts) {
    if (metric == count.name) {
      return MetricUnit::count;
    }
  }
  for (const OtherMetric& other : kOthers) {
    if (metric == other.name) {
      return other.unit;
    }
  }
  return std::nullopt;
}

bool has_cohorts(std::string_view metric) {
  for (const OtherMetric& other : kOthers) {
    if (metric == other.name) {
      return other.cohorts;
    }
  }
  std::string_view figure;
  const TimeMetric* time = time_metric(metric, figure);
  return time == nullptr || time->of != nullptr;
}

std::vector<std::string_view> metric_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> made;
    for (const TimeMetric& time : kTimes) {
      for (const char* figure : {"p50", "p90", "p99", "p99.9", "max", "mean"}) {
        made.push_back(std::string(time.name) + "_" + figure);
      }
    }
    for (const CountMetric& count : kCounts) {
      made.emplace_back(count.name);
    }
    for (const OtherMetric& other : kOthers) {
      made.emplace_back(other.name);
    }
    return made;
  }();
  return {names.begin(), names.end()};
}

std::string metrics_text() {
  std::string text = "Metrics of objectives:\n";
  const auto add = [&text](const std::string& name, std::string_view about) {
    text += "  " + name;
    text.append(name.size() < 28 ? 28 - name.size() : 1, ' ');
    text += about;
    text += '\n';
  };
  for (const TimeMetric& time : kTimes) {
    add(std::string(time.name) + "_p50..p99.99|max|mean", time.about);
  }
  for (const CountMetric& count : kCounts) {
    add(std::string(count.name), count.about);
  }
  for (const OtherMetric& other : kOthers) {
    add(std::string(other.name), other.about);
  }
  return text;
}

std::optional<double> metric_value(std::string_view metric, std::string_view cohort,
                                   const Measured& measured) {
  const FleetResult& fleet = measured.fleet;
  const Stats* stats = &fleet.stats;
  std::uint64_t connections = fleet.connections;
  std::uint64_t seen = fleet.seen;
  if (!cohort.empty()) {
    const auto found = std::find_if(fleet.cohorts.begin(), fleet.cohorts.end(),
                                    [cohort](const auto& one) { return one.name == cohort; });
    if (found == fleet.cohorts.end()) {
      return std::nullopt;
    }
    stats = &found->stats;
    connections = found->connections;
    seen = found->seen;
  }
  std::string_view figure;
  if (const TimeMetric* time = time_metric(metric, figure)) {
    const Histogram* times = time->of != nullptr ? &(stats->*(time->of)) : measured.command_latency;
    return times == nullptr ? std::nullopt : figure_of(*times, figure);
  }
  for (const CountMetric& count : kCounts) {
    if (metric == count.name) {
      return static_cast<double>(stats->*(count.of));
    }
  }
  if (metric == "errors") {
    return static_cast<double>(stats->error_count());
  }
  if (metric == "rate" || metric == "sent_rate") {
    const std::uint64_t count = metric == "rate" ? stats->measured_acked : stats->measured_sent;
    return fleet.measured_s > 0 ? std::optional(static_cast<double>(count) / fleet.measured_s)
                                : std::nullopt;
  }
  if (metric == "connected_share") {
    return share_of(seen, connections);
  }
  if (metric == "acked_share") {
    // Those that were wrong on purpose are not among `acked` either.
    return share_of(stats->acked,
                    stats->sent + stats->unsent - std::min(stats->faulty_answered, stats->sent));
  }
  if (metric == "commands_failed") {
    return measured.command_latency == nullptr
               ? std::nullopt
               : std::optional(static_cast<double>(measured.commands_failed));
  }
  if (metric == "server_cpu_us_per_message") {
    return measured.server_cpu_us_per_message;
  }
  return metric == "server_rss_bytes" ? measured.server_rss_bytes : std::nullopt;
}

std::string metric_text(double value, MetricUnit unit) {
  const auto scaled = [](double number) {
    const double size = std::abs(number);
    return formatted(size < 10 ? "%.3g" : size < 100 ? "%.3g" : "%.0f", number);
  };
  switch (unit) {
  case MetricUnit::time:
    return value < 1e3   ? scaled(value) + " ns"
           : value < 1e6 ? scaled(value / 1e3) + " us"
           : value < 1e9 ? scaled(value / 1e6) + " ms"
                         : scaled(value / 1e9) + " s";
  case MetricUnit::bytes:
    return value < 1e6   ? scaled(value / 1e3) + " kB"
           : value < 1e9 ? scaled(value / 1e6) + " MB"
                         : scaled(value / 1e9) + " GB";
  case MetricUnit::share:
    // Never a false 100 %.
    return formatted(value > 0.999 && value < 1 ? "%.4f %%" : "%.4g %%",
                     value > 0.999 && value < 1 ? std::floor(value * 1e6) / 1e4 : 100 * value);
  case MetricUnit::rate:
    return (value < 100 ? formatted("%.3g", value)
                        : grouped(static_cast<std::uint64_t>(std::llround(value)))) +
           "/s";
  case MetricUnit::cpu_us:
    return formatted("%.3g us", value);
  case MetricUnit::count:
    return value == std::floor(value) && std::abs(value) < 1e15 && value >= 0
               ? grouped(static_cast<std::uint64_t>(value))
               : formatted("%g", value);
  }
  return "";
}

} // namespace spate::loadgen
