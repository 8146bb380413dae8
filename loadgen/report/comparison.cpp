#include "loadgen/report/comparison.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "engine/base/nearest.hpp"
#include "loadgen/base/random.hpp"
#include "loadgen/report/metrics.hpp"

namespace spate::loadgen {

namespace {

constexpr int kDraws = 1000;
constexpr std::size_t kStretchesLeast = 10; ///< Fewer tell nothing of how seconds vary.
constexpr std::size_t kRunsLeast = 3;

/// Figures that each second tells of: those that are drawn anew.
enum Timed : std::size_t { rate, p50, p90, p99, p999, mean, kTimed };
constexpr std::array<std::string_view, kTimed> kTimedNames = {"rate",    "ack_p50",   "ack_p90",
                                                              "ack_p99", "ack_p99.9", "ack_mean"};
using TimedFigures = std::array<double, kTimed>;

constexpr std::array<std::string_view, 6> kTotalNames = {
    "ack_max",          "service_p50",     "service_p99", "server_cpu_us_per_message",
    "server_rss_bytes", "generator_cpu_us"};

double positive(double value) noexcept {
  return value > 0 ? value : 0;
}

/// Counts by bucket, for merging many small histograms quickly.
class Tally {
public:
  Tally() : buckets_(Histogram::kBuckets) {}
  void clear() {
    std::fill(buckets_.begin(), buckets_.end(), 0);
    count_ = 0;
    sum_ = seconds_ = 0;
    acked_ = 0;
  }
  void add(const Stretch& stretch) {
    seconds_ += stretch.seconds;
    acked_ += static_cast<double>(stretch.acked);
    for (const auto& [bucket, count] : stretch.latency) {
      buckets_[bucket] += count;
      count_ += count;
      sum_ += static_cast<double>(count) *
              (static_cast<double>(Histogram::lower_bound(bucket)) +
               static_cast<double>(Histogram::upper_bound(bucket))) /
              2;
    }
  }
  [[nodiscard]] TimedFigures figures() const {
    TimedFigures made{};
    made[rate] = seconds_ > 0 ? acked_ / seconds_ : 0;
    constexpr std::array<std::pair<Timed, double>, 4> kWanted = {
        {{p50, 0.5}, {p90, 0.9}, {p99, 0.99}, {p999, 0.999}}};
    std::uint64_t below = 0;
    std::size_t next = 0;
    for (std::size_t i = 0; i < buckets_.size() && next < kWanted.size(); ++i) {
      below += buckets_[i];
      while (next < kWanted.size() && below > 0 &&
             static_cast<double>(below) >=
                 std::ceil(kWanted[next].second * static_cast<double>(count_))) {
        // The middle: a ratio of ends would jump by a bucket.
        made[kWanted[next++].first] = (static_cast<double>(Histogram::lower_bound(i)) +
                                       static_cast<double>(Histogram::upper_bound(i))) /
                                      2;
      }
    }
    made[mean] = count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
    return made;
  }

private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  double sum_ = 0, seconds_ = 0, acked_ = 0;
};

/// Figures of a side whose runs and blocks of seconds are drawn anew.
TimedFigures drawn(const std::vector<ReadRun>& runs, Random& random, Tally& tally) {
  tally.clear();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto& stretches = runs[random.next() % runs.size()].stretches;
    const std::size_t size = stretches.size();
    const auto block = static_cast<std::size_t>(std::ceil(std::cbrt(static_cast<double>(size))));
    for (std::size_t taken = 0; taken < size;) {
      const std::size_t start = random.next() % (size - block + 1);
      for (std::size_t k = 0; k < block && taken < size; ++k, ++taken) {
        tally.add(stretches[start + k]);
      }
    }
  }
  return tally.figures();
}

bool can_draw(const std::vector<ReadRun>& runs) noexcept {
  return std::all_of(runs.begin(), runs.end(),
                     [](const ReadRun& run) { return run.stretches.size() >= kStretchesLeast; });
}

std::pair<double, double> interval_of(std::vector<double>& ratios) {
  std::sort(ratios.begin(), ratios.end());
  const auto at = [&ratios](double q) {
    return ratios[static_cast<std::size_t>(q * static_cast<double>(ratios.size() - 1))];
  };
  return {at(0.025), at(0.975)};
}

std::optional<double> total_of(const ReadRun& run, std::string_view metric) {
  const auto time = [](const Histogram& times, double q) {
    return times.count() == 0 ? std::nullopt
                              : std::optional(static_cast<double>(times.quantile(q)));
  };
  if (metric == "ack_max") {
    return time(run.latency, 1);
  }
  if (metric == "service_p50") {
    return time(run.service, 0.5);
  }
  if (metric == "service_p99") {
    return time(run.service, 0.99);
  }
  if (metric == "server_cpu_us_per_message") {
    return run.server_cpu_us;
  }
  return metric == "server_rss_bytes" ? run.server_rss_bytes : run.generator_cpu_us;
}

/// Of all runs, or empty if one does not have it.
std::vector<double> totals_of(const std::vector<ReadRun>& runs, std::string_view metric) {
  std::vector<double> values;
  for (const ReadRun& run : runs) {
    const auto value = total_of(run, metric);
    if (!value || *value <= 0) {
      return {};
    }
    values.push_back(*value);
  }
  return values;
}

double mean_of(const std::vector<double>& values) noexcept {
  double sum = 0;
  for (const double value : values) {
    sum += value;
  }
  return sum / static_cast<double>(values.size());
}

double mean_drawn(const std::vector<double>& values, Random& random) {
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += values[random.next() % values.size()];
  }
  return sum / static_cast<double>(values.size());
}

MetricUnit unit_of(std::string_view metric) {
  return metric == "generator_cpu_us" ? MetricUnit::cpu_us
                                      : unit_of_metric(metric).value_or(MetricUnit::count);
}

TimedFigures timed_of(const std::vector<ReadRun>& runs) {
  Histogram all;
  double rates = 0;
  for (const ReadRun& run : runs) {
    all.merge(run.latency);
    rates += run.rate_per_s;
  }
  TimedFigures made{};
  made[rate] = rates / static_cast<double>(runs.size());
  made[p50] = static_cast<double>(all.quantile(0.5));
  made[p90] = static_cast<double>(all.quantile(0.9));
  made[p99] = static_cast<double>(all.quantile(0.99));
  made[p999] = static_cast<double>(all.quantile(0.999));
  made[mean] = all.mean();
  return made;
}

void add_timed(Comparison& to, const std::vector<ReadRun>& a, const std::vector<ReadRun>& b,
               Random& random) {
  const TimedFigures of_a = timed_of(a);
  const TimedFigures of_b = timed_of(b);
  std::array<std::vector<double>, kTimed> ratios;
  if (can_draw(a) && can_draw(b)) {
    Tally tally;
    for (int i = 0; i < kDraws; ++i) {
      const TimedFigures drawn_a = drawn(a, random, tally);
      const TimedFigures drawn_b = drawn(b, random, tally);
      for (std::size_t metric = 0; metric < kTimed; ++metric) {
        if (drawn_a[metric] > 0) {
          ratios[metric].push_back(positive(drawn_b[metric]) / drawn_a[metric]);
        }
      }
    }
  }
  for (std::size_t metric = 0; metric < kTimed; ++metric) {
    if (of_a[metric] <= 0 || of_b[metric] <= 0) {
      continue;
    }
    Ratio one;
    one.metric = kTimedNames[metric];
    one.unit = unit_of(one.metric);
    one.a = of_a[metric];
    one.b = of_b[metric];
    one.ratio = one.b / one.a;
    if (ratios[metric].size() == kDraws) {
      one.interval = interval_of(ratios[metric]);
    }
    to.ratios.push_back(std::move(one));
  }
}

void add_totals(Comparison& to, const std::vector<ReadRun>& a, const std::vector<ReadRun>& b,
                Random& random) {
  for (const std::string_view metric : kTotalNames) {
    const std::vector<double> of_a = totals_of(a, metric);
    const std::vector<double> of_b = totals_of(b, metric);
    if (of_a.empty() || of_b.empty()) {
      continue;
    }
    Ratio one;
    one.metric = metric;
    one.unit = unit_of(metric);
    one.a = mean_of(of_a);
    one.b = mean_of(of_b);
    one.ratio = one.b / one.a;
    if (of_a.size() >= kRunsLeast && of_b.size() >= kRunsLeast) {
      std::vector<double> ratios;
      for (int i = 0; i < kDraws; ++i) {
        ratios.push_back(mean_drawn(of_b, random) / mean_drawn(of_a, random));
      }
      one.interval = interval_of(ratios);
    }
    to.ratios.push_back(std::move(one));
  }
}

void caution(Comparison& to, const std::vector<ReadRun>& runs, const std::string& scenario) {
  for (const ReadRun& run : runs) {
    if (run.saturated) {
      to.cautions.push_back("the generator was the bottleneck of " + run.name +
                            ": its figures say little about the server");
    }
    if (!run.ok) {
      to.cautions.push_back(run.name + " is of a run that failed");
    }
    if (run.stretches.size() < kStretchesLeast) {
      to.cautions.push_back(run.name + " has fewer than " + std::to_string(kStretchesLeast) +
                            " measured seconds: no intervals");
    }
    if (run.scenario != scenario) {
      to.comparable = false;
      to.cautions.push_back(run.name + " is of another scenario: not comparable");
    }
  }
}

} // namespace

Comparison compare(const std::vector<ReadRun>& a, const std::vector<ReadRun>& b,
                   std::uint64_t seed) {
  Comparison made;
  const auto name_of = [](const std::vector<ReadRun>& runs) {
    return runs.front().name +
           (runs.size() > 1 ? " and " + std::to_string(runs.size() - 1) + " more" : "");
  };
  made.a = name_of(a);
  made.b = name_of(b);
  caution(made, a, a.front().scenario);
  caution(made, b, a.front().scenario);
  Random random(seed);
  add_timed(made, a, b, random);
  add_totals(made, a, b, random);
  return made;
}

Result<Gate> parse_gate(std::string_view text, bool above) {
  Gate gate;
  gate.above = above;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), gate.ratio);
  const auto used = static_cast<std::size_t>(read.ptr - text.data());
  if (read.ec != std::errc{} || !std::isfinite(gate.ratio) || gate.ratio <= 0 ||
      used >= text.size() || text[used] != ':') {
    return fail(Errc::usage, "\"" + std::string(text) + "\" is no gate: write it like 1.1:ack_p99");
  }
  gate.metric = text.substr(used + 1);
  std::vector<std::string_view> names(kTimedNames.begin(), kTimedNames.end());
  names.insert(names.end(), kTotalNames.begin(), kTotalNames.end());
  if (std::find(names.begin(), names.end(), gate.metric) == names.end()) {
    return fail(Errc::usage,
                "\"" + gate.metric + "\" is not compared" + meant_word(gate.metric, names));
  }
  return gate;
}

std::string compared_metrics() {
  std::string text;
  for (const std::string_view name : kTimedNames) {
    text += (text.empty() ? "" : ", ") + std::string(name);
  }
  for (const std::string_view name : kTotalNames) {
    text += ", " + std::string(name);
  }
  return text;
}

Result<std::vector<Gate>> parse_gates(const std::vector<std::string>& above,
                                      const std::vector<std::string>& below) {
  std::vector<Gate> gates;
  for (const bool is_above : {true, false}) {
    for (const std::string& text : is_above ? above : below) {
      auto gate = parse_gate(text, is_above);
      if (!gate) {
        return fail(std::move(gate.error()));
      }
      gates.push_back(std::move(*gate));
    }
  }
  return gates;
}

} // namespace spate::loadgen
