#include "cli/progress.hpp"

#include <algorithm>
#include <cstdio>

#include <unistd.h>

#include "cli/table.hpp"

namespace spate::cli {

namespace {

constexpr std::size_t kBarWidth = 20;
constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kPlainPause = std::chrono::seconds(5); ///< Between lines, if nothing changes.

std::int64_t us_since(ProgressLine::Time start, ProgressLine::Time now) {
  return std::chrono::duration_cast<std::chrono::microseconds>(now - start).count();
}

} // namespace

std::string bar_text(std::uint64_t done, std::uint64_t total) {
  const std::size_t full =
      total == 0 ? kBarWidth
                 : static_cast<std::size_t>(static_cast<double>(std::min(done, total)) /
                                            static_cast<double>(total) * kBarWidth);
  return "[" + std::string(full, '#') + std::string(kBarWidth - full, '-') + "]";
}

std::string part_text(const std::string& label, std::uint64_t done, std::uint64_t total_bytes) {
  if (total_bytes == 0) {
    return label + " " + std::to_string(done);
  }
  return label + " " + bar_text(done, total_bytes) + " " + bytes_text(done) + " of " +
         bytes_text(total_bytes);
}

bool ProgressLine::on_terminal() {
  return isatty(STDERR_FILENO) == 1;
}

void ProgressLine::steps(const std::string& label, std::uint64_t done,
                         const std::optional<std::uint64_t>& total, Time now) {
  std::string said = label;
  if (total) {
    said += (terminal_ ? " " + bar_text(done, *total) : "") + " " + std::to_string(done) + "/" +
            std::to_string(*total) + " steps";
  } else if (done != 0) {
    said += " " + std::to_string(done) + " steps";
  }
  const auto pause = terminal_ ? std::chrono::milliseconds(kRedraw) : kPlainPause;
  if (said == last_ && drawn_ && now - *drawn_ < pause) {
    return;
  }
  last_ = said;
  drawn_ = now;
  draw(said + ", " + duration_text(us_since(start_, now)));
}

void ProgressLine::bytes(const std::string& label, std::uint64_t done, Time now) {
  if (!terminal_ || (drawn_ && now - *drawn_ < kRedraw)) {
    return;
  }
  drawn_ = now;
  const double seconds = static_cast<double>(us_since(start_, now)) * 1e-6;
  std::string line = label + " " + bytes_text(done);
  if (seconds > 0) {
    line += ", " + bytes_text(static_cast<std::uint64_t>(static_cast<double>(done) / seconds)) +
            "/s";
  }
  draw(line);
}

void ProgressLine::part(const std::string& label, std::uint64_t done, std::uint64_t total_bytes,
                        Time now) {
  const bool fresh = label != last_;
  const bool due = terminal_ && (done == total_bytes || !drawn_ || now - *drawn_ >= kRedraw);
  if (!fresh && !due) {
    return;
  }
  last_ = label;
  drawn_ = now;
  draw(terminal_ ? part_text(label, done, total_bytes) : label);
}

void ProgressLine::draw(const std::string& line) {
  if (terminal_) {
    std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
    std::fflush(stderr);
    visible_ = true;
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

void ProgressLine::clear() {
  if (visible_) {
    std::fputs("\r\x1b[K", stderr);
    std::fflush(stderr);
    visible_ = false;
  }
}

} // namespace spate::cli
