// Spate - how far long work is, on the standard error: a bar on a terminal, else a line a step.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace spate::cli {

class StepBar {
public:
  StepBar();
  ~StepBar() { finish(); }
  StepBar(const StepBar&) = delete;
  StepBar& operator=(const StepBar&) = delete;

  /// `total` 0: not known. Any thread, one at a time.
  void show(std::string_view step, std::uint64_t done, std::uint64_t total);
  /// Ends the line, so that something else can be said.
  void finish();

private:
  const bool terminal_;
  std::string step_;
  std::int64_t shown_ms_ = 0;
  bool open_ = false; ///< The line of the bar is not ended.
};

} // namespace spate::cli
