#include "loadgen/report/live_text.hpp"

#include <algorithm>
#include <cmath>

#include "loadgen/report/metrics.hpp"
#include "loadgen/report/progress.hpp"
#include "loadgen/report/report.hpp"

namespace spate::loadgen {

namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

std::string row(std::string_view name, const std::string& text) {
  std::string out(name);
  out.append(name.size() < 11 ? 11 - name.size() : 1, ' ');
  return out + text;
}

std::string time_of(std::uint64_t ns) {
  return metric_text(static_cast<double>(ns), MetricUnit::time);
}

std::string percentiles(const Histogram& times) {
  return times.count() == 0 ? "-"
                            : "p50 " + time_of(times.quantile(0.5)) + "  p99 " +
                                  time_of(times.quantile(0.99)) + "  max " + time_of(times.max());
}

bool is_continuation(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

} // namespace

Histogram since(const Histogram& now, const Histogram& before) {
  Histogram recent;
  for (std::size_t i = 0; i < Histogram::kBuckets; ++i) {
    if (now.buckets()[i] > before.buckets()[i]) {
      recent.record_bucket(i, now.buckets()[i] - before.buckets()[i]);
    }
  }
  recent.refine(recent.min(), now.max(), recent.sum()); // If the largest is of this stretch.
  return recent;
}

std::string sparkline(const std::deque<double>& values, bool utf8) {
  static constexpr std::string_view kBars[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                               "\u2585", "\u2586", "\u2587", "\u2588"};
  static constexpr std::string_view kAscii[] = {" ", ".", ":", "-", "=", "+", "*", "%", "#"};
  const double most = values.empty() ? 0 : *std::max_element(values.begin(), values.end());
  const std::string_view* const bars = utf8 ? kBars : kAscii;
  std::string out;
  for (const double value : values) {
    const auto height =
        most <= 0 || value <= 0 ? 0 : static_cast<std::size_t>(std::ceil(8 * value / most));
    out += bars[std::min<std::size_t>(height, 8)];
  }
  return out;
}

std::size_t columns_of(std::string_view text) noexcept {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

std::string_view cut_to(std::string_view text, std::size_t columns) noexcept {
  std::size_t at = 0;
  for (std::size_t used = 0; at < text.size(); ++at) {
    if (!is_continuation(text[at]) && used++ == columns) {
      break;
    }
  }
  return text.substr(0, at);
}

void LiveText::take(const FleetProgress& progress, Stats totals, std::int64_t now_ns) {
  progress_ = progress;
  totals_ = std::move(totals);
  if (second_ns_ == 0) {
    second_ns_ = now_ns;
    at_second_ = totals_;
    return;
  }
  const std::int64_t length_ns = now_ns - second_ns_;
  if (length_ns < kSecondNs) {
    return;
  }
  const double length_s = static_cast<double>(length_ns) / 1e9;
  rates_.sent = static_cast<double>(totals_.sent - at_second_.sent) / length_s;
  rates_.acked = static_cast<double>(totals_.acked - at_second_.acked) / length_s;
  latency_ = since(totals_.latency, at_second_.latency);
  lag_ = since(totals_.lag, at_second_.lag);
  if (progress_.phase != Phase::connecting) {
    history_.push_back(plan_.acknowledged ? rates_.acked : rates_.sent);
    if (history_.size() > kHistory) {
      history_.pop_front();
    }
  }
  second_ns_ = now_ns;
  at_second_ = totals_;
}

void LiveText::take_server(const std::optional<std::pair<ServerSample, ServerSample>>& last_two) {
  if (last_two && last_two->second.at_ns > last_two->first.at_ns) {
    const auto& [before, now] = *last_two;
    const double length_s = static_cast<double>(now.at_ns - before.at_ns) / 1e9;
    server_ = std::pair(std::max(now.cpu_s - before.cpu_s, 0.0) / length_s, now.rss_bytes);
  }
}

std::string LiveText::head(std::size_t columns) const {
  const bool loading = progress_.phase == Phase::sending || progress_.phase == Phase::warming_up;
  std::string name(name_of(progress_.phase));
  if (loading) {
    for (const StageSpan& stage : plan_.course.stages) {
      if (progress_.elapsed_s >= stage.from_s && progress_.elapsed_s < stage.until_s) {
        name = stage.measured ? stage.name : stage.name + " (not measured)";
      }
    }
  }
  double done = -1;
  double left_s = -1;
  if (progress_.phase == Phase::connecting) {
    done = progress_.connections == 0 ? 0
                                      : static_cast<double>(progress_.settled) /
                                            static_cast<double>(progress_.connections);
  } else if (!loading) {
    done = 1;
  } else if (plan_.duration_s > 0) {
    done = progress_.elapsed_s / plan_.duration_s;
    left_s = plan_.duration_s - progress_.elapsed_s;
  } else if (plan_.total != 0) {
    done = static_cast<double>(totals_.sent) / static_cast<double>(plan_.total);
    left_s = done > 0.01 ? progress_.elapsed_s / done * (1 - done) : -1;
  }
  std::string text = row(plan_.title, name + "  " + clock_text(progress_.elapsed_s));
  const std::size_t used = columns_of(text) + 24; // Percent and time left.
  if (done >= 0) {
    const std::size_t room = columns > used + 10 ? std::min<std::size_t>(columns - used, 40) : 10;
    text += "  " + progress_bar(done, left_s, static_cast<int>(room));
  }
  return text;
}

std::string LiveText::errors(std::size_t columns) const {
  std::vector<std::pair<std::uint64_t, std::string_view>> most;
  for (const auto& [reason, count] : totals_.errors) {
    most.emplace_back(count, reason);
  }
  std::sort(most.begin(), most.end(), std::greater<>());
  std::string text;
  for (std::size_t i = 0; i < std::min(most.size(), kErrorsShown); ++i) {
    std::string one = grouped(most[i].first) + " x ";
    for (const char c : cut_to(most[i].second, columns / 2)) {
      one += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c; // No one else's escapes.
    }
    text += (text.empty() ? "" : "; ") + one;
  }
  if (most.size() > kErrorsShown) {
    text += "; " + std::to_string(most.size() - kErrorsShown) + " more reasons";
  }
  return text;
}

std::vector<std::string> LiveText::lines(std::size_t columns, bool utf8) const {
  std::vector<std::string> all{head(columns)};
  std::string rate = "sent " + short_number(rates_.sent) + "/s";
  if (plan_.acknowledged) {
    rate += "  acked " + short_number(rates_.acked) + "/s";
  }
  rate =
      row("rate", rate + "  in flight " + short_number(static_cast<double>(progress_.in_flight)));
  if (const std::size_t used = columns_of(rate) + 2; used + 8 < columns && !history_.empty()) {
    const std::size_t room = std::min(columns - used, history_.size());
    const std::deque<double> shown(history_.end() - static_cast<std::ptrdiff_t>(room),
                                   history_.end());
    rate += "  " + sparkline(shown, utf8);
  }
  all.push_back(std::move(rate));
  if (plan_.acknowledged) {
    const std::string last = "now " + percentiles(latency_);
    const std::string run = "run " + percentiles(totals_.latency);
    if (columns_of(last) + columns_of(run) + 15 <= columns) {
      all.push_back(row("latency", last + "    " + run));
    } else {
      all.push_back(row("latency", last));
      all.push_back(row("", run));
    }
  }
  const std::uint64_t connecting =
      progress_.connections - std::min(progress_.settled, progress_.connections);
  const std::uint64_t offline =
      progress_.connections - std::min(progress_.online + connecting, progress_.connections);
  all.push_back(row("devices",
                    "online " + grouped(progress_.online) + "  connecting " + grouped(connecting) +
                        "  offline " + grouped(offline) +
                        (progress_.gone != 0 ? " (" + grouped(progress_.gone) + " for good)" : "") +
                        "  connections lost " + grouped(totals_.connections_lost)));
  all.push_back(row("messages", "lost " + grouped(totals_.lost) + "  refused " +
                                    grouped(totals_.refused) + "  unsent " +
                                    grouped(totals_.unsent) + "  sent again " +
                                    grouped(totals_.resent)));
  if (!beside_.empty()) {
    all.push_back(row("beside", beside_));
  }
  if (const std::string text = errors(columns); !text.empty()) {
    all.push_back(row("errors", text));
  }
  if (server_) {
    all.push_back(
        row("server", formatted("CPU %.0f%% of a core", 100 * server_->first) +
                          (server_->second != 0
                               ? "  memory " + metric_text(static_cast<double>(server_->second),
                                                           MetricUnit::bytes)
                               : "")));
  }
  if (lag_.count() != 0) {
    const double lag_ms = static_cast<double>(lag_.quantile(0.99)) / 1e6;
    all.push_back(row("generator",
                      lag_ms > kLagMsMax
                          ? formatted("TOO SLOW: 99%% sent within %.1f ms of their "
                                      "time; the figures are its own",
                                      lag_ms)
                          : formatted("on time: 99%% sent within %.2f ms of their time", lag_ms)));
  }
  for (std::string& line : all) {
    line.resize(cut_to(line, columns).size());
  }
  return all;
}

} // namespace spate::loadgen
