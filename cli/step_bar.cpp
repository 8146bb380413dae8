#include "cli/step_bar.hpp"

#include <algorithm>
#include <cstdio>

#include <unistd.h>

#include "cli/table.hpp"
#include "engine/base/clock.hpp"

namespace spate::cli {

namespace {

constexpr std::size_t kWidth = 24;
constexpr std::int64_t kPauseMs = 100;

} // namespace

StepBar::StepBar() : terminal_(::isatty(STDERR_FILENO) == 1) {}

void StepBar::show(std::string_view step, std::uint64_t done, std::uint64_t total) {
  const bool fresh = step != step_;
  if (!terminal_) {
    if (fresh) {
      std::fprintf(stderr, "%.*s\n", static_cast<int>(step.size()), step.data());
      step_ = step;
    }
    return;
  }
  const std::int64_t now_ms = steady_ns() / 1'000'000;
  if (!fresh && done != total && now_ms < shown_ms_ + kPauseMs) {
    return;
  }
  if (fresh) {
    finish();
  }
  step_ = step;
  shown_ms_ = now_ms;
  open_ = true;
  if (total == 0) {
    std::fprintf(stderr, "\r%-20s %llu\x1b[K", step_.c_str(), static_cast<unsigned long long>(done));
    return;
  }
  const std::size_t filled =
      static_cast<std::size_t>(static_cast<double>(std::min(done, total)) /
                               static_cast<double>(total) * static_cast<double>(kWidth));
  const std::string bar = std::string(filled, '#') + std::string(kWidth - filled, '.');
  std::fprintf(stderr, "\r%-20s [%s] %s of %s\x1b[K", step_.c_str(), bar.c_str(),
               bytes_text(done).c_str(), bytes_text(total).c_str());
}

void StepBar::finish() {
  if (open_) {
    std::fputc('\n', stderr);
    open_ = false;
  }
}

} // namespace spate::cli
