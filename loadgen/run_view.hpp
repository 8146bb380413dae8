// Spate - how a run is seen while it goes on: a live view on a terminal, plain lines elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "loadgen/report/live_screen.hpp"
#include "loadgen/report/live_text.hpp"
#include "loadgen/report/progress.hpp"
#include "loadgen/report/server_watch.hpp"

namespace spate::loadgen {

/// Thread: that of Fleet::run().
class RunView {
public:
  /// `server` is borrowed; null if it is not watched. It is told when the load begins and ends.
  RunView(bool quiet, LivePlan plan, ServerWatch* server);

  /// `beside` is what runs beside the fleet, as ", commands 5 ok"; empty for nothing.
  void watch(const FleetProgress& progress, const std::function<Stats()>& totals,
             const std::string& beside);
  /// A line that stays.
  void note(const std::string& line);
  /// After the run: takes away what is refreshed.
  void finish();
  /// When the load began, epoch ms; 0 if it never did.
  [[nodiscard]] std::int64_t started_ms() const noexcept { return started_ms_; }

  /// For a signal handler that ends the process: shows a cursor that was hidden.
  static void give_terminal_back() noexcept;

private:
  const bool quiet_;
  ServerWatch* server_;
  std::int64_t started_ms_ = 0;
  LiveScreen screen_;
  LiveText text_;
  StatusLine plain_;
  FleetStatus plain_text_;
};

} // namespace spate::loadgen
