#include "loadgen/run_view.hpp"

#include <atomic>
#include <string_view>

#include <unistd.h>

#include "engine/base/clock.hpp"

namespace spate::loadgen {

namespace {

std::atomic<bool> g_drawn{false}; // What the signal handler may touch.
static_assert(std::atomic<bool>::is_always_lock_free);

} // namespace

RunView::RunView(bool quiet, LivePlan plan, ServerWatch* server)
    : quiet_(quiet), server_(server), screen_(Terminal::standard()), text_(plan), plain_(quiet),
      plain_text_(plan.total, plan.duration_s) {}

void RunView::watch(const FleetProgress& progress, const std::function<Stats()>& totals,
                    const std::string& beside) {
  if (progress.phase != Phase::connecting && started_ms_ == 0) {
    started_ms_ = wall_ms();
    if (server_ != nullptr) {
      server_->begin();
    }
  }
  if (progress.phase == Phase::closing && server_ != nullptr) {
    server_->end();
  }
  const std::int64_t now_ns = steady_ns();
  if (!screen_.terminal().is_terminal) {
    if (plain_.due(now_ns)) {
      plain_.show(plain_text_.line(progress, totals(), now_ns) + beside, now_ns);
    }
    return;
  }
  if (quiet_ || !screen_.due(now_ns)) {
    return;
  }
  text_.take(progress, totals(), now_ns);
  text_.take_server(server_ != nullptr ? server_->last_two() : std::nullopt);
  text_.take_beside(beside.starts_with(", ") ? beside.substr(2) : beside);
  g_drawn = true;
  screen_.draw(text_.lines(screen_.terminal().columns() - 1, screen_.terminal().utf8), now_ns);
}

void RunView::note(const std::string& line) {
  screen_.clear();
  plain_.note(line);
}

void RunView::finish() {
  if (server_ != nullptr) {
    server_->end();
  }
  screen_.clear();
  plain_.clear();
  g_drawn = false;
}

void RunView::give_terminal_back() noexcept {
  if (g_drawn) {
    const std::string_view text = LiveScreen::kShowCursor;
    (void)!::write(STDERR_FILENO, text.data(), text.size());
  }
}

} // namespace spate::loadgen
