#include "loadgen/report/progress.hpp"

#include <algorithm>
#include <cmath>

#include <sys/ioctl.h>
#include <unistd.h>

#include "loadgen/report/report.hpp"

namespace spate::loadgen {

std::string clock_text(double seconds) {
  const auto all = static_cast<std::uint64_t>(std::max(seconds, 0.0));
  const auto two = [](std::uint64_t value) {
    return (value < 10 ? "0" : "") + std::to_string(value);
  };
  const std::string minutes = std::to_string(all / 60 % 60);
  return all < 3600 ? minutes + ":" + two(all % 60)
                    : std::to_string(all / 3600) + ":" + two(all / 60 % 60) + ":" + two(all % 60);
}

std::string short_number(double value) {
  if (value < 9999.5) {
    return formatted("%.0f", value);
  }
  const char* unit = value < 999.5e3 ? "k" : value < 999.5e6 ? "M" : "G";
  const double scaled = value / (*unit == 'k' ? 1e3 : *unit == 'M' ? 1e6 : 1e9);
  return formatted(scaled < 9.995 ? "%.2f" : scaled < 99.95 ? "%.1f" : "%.0f", scaled) + unit;
}

std::string progress_bar(double done, double left_s, int width) {
  done = std::clamp(done, 0.0, 1.0);
  const auto filled = static_cast<std::size_t>(std::lround(done * width));
  std::string bar = "[" + std::string(filled, '#') +
                    std::string(static_cast<std::size_t>(width) - filled, '.') + "]";
  bar += formatted(" %3.0f%%", std::floor(100 * done));
  return done < 1 && left_s >= 0 ? bar + " " + clock_text(left_s) + " left" : bar;
}

StatusLine::StatusLine(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

StatusLine::~StatusLine() {
  clear();
}

bool StatusLine::due(std::int64_t now_ns) const noexcept {
  return !quiet_ && now_ns >= next_ns_;
}

void StatusLine::show(const std::string& line, std::int64_t now_ns) {
  if (!due(now_ns)) {
    return;
  }
  next_ns_ = now_ns + (terminal_ ? 200'000'000 : kPlainLineNs);
  if (!terminal_) {
    std::fprintf(stderr, "%s\n", line.c_str());
    return;
  }
  winsize window{};
  std::size_t columns = 80;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1) {
    columns = window.ws_col;
  }
  std::fprintf(stderr, "\r\x1b[K%.*s", static_cast<int>(std::min(line.size(), columns - 1)),
               line.c_str());
  std::fflush(stderr);
  shown_ = true;
}

void StatusLine::note(const std::string& line) {
  if (!quiet_) {
    clear();
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

void StatusLine::clear() {
  if (shown_) {
    std::fputs("\r\x1b[K", stderr);
    std::fflush(stderr);
    shown_ = false;
  }
}

std::string FleetStatus::line(const FleetProgress& progress, const Stats& totals,
                              std::int64_t now_ns) {
  const double since_s = static_cast<double>(now_ns - last_ns_) / 1e9;
  const auto rate = [&](std::uint64_t now, std::uint64_t last) {
    return last_ns_ == 0 || since_s <= 0 ? 0 : static_cast<double>(now - last) / since_s;
  };
  const bool loading = progress.phase == Phase::sending || progress.phase == Phase::warming_up;
  std::string text;
  if (progress.phase != Phase::sending) {
    text = std::string(name_of(progress.phase)) + " ";
  }
  text += clock_text(progress.elapsed_s);
  if (total_ != 0 && progress.phase != Phase::connecting) {
    const double done = static_cast<double>(totals.sent) / static_cast<double>(total_);
    const double left_s = duration_s_ > 0 ? duration_s_ - progress.elapsed_s
                          : done > 0.01   ? progress.elapsed_s / done * (1 - done)
                                          : -1;
    text += " " + progress_bar(done, left_s, 12);
  } else if (duration_s_ > 0 && loading) {
    text += "/" + clock_text(duration_s_);
  }
  text += ", " + grouped(progress.online);
  if (progress.phase == Phase::connecting) {
    text += " of " + grouped(progress.connections) + " connected";
  } else {
    text += " connected, " + short_number(rate(totals.sent, last_sent_)) + "/s sent, " +
            short_number(rate(totals.acked, last_acked_)) + "/s acked, " +
            short_number(static_cast<double>(progress.in_flight)) + " in flight";
    if (totals.latency.count() != 0) {
      text += formatted(", p50 %.2f p99 %.2f ms",
                        static_cast<double>(totals.latency.quantile(0.5)) / 1e6,
                        static_cast<double>(totals.latency.quantile(0.99)) / 1e6);
    }
  }
  text += ", lost " + grouped(totals.lost) + ", errors " + grouped(totals.error_count());
  last_ns_ = now_ns;
  last_sent_ = totals.sent;
  last_acked_ = totals.acked;
  return text;
}

} // namespace spate::loadgen
