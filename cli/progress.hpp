// Spate - how far long work is, on standard error: one line that is drawn again on a terminal, else
// a line now and then.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace spate::cli {

class ProgressLine {
public:
  using Time = std::chrono::steady_clock::time_point;
  /// `terminal`: whether standard error is one.
  ProgressLine(bool terminal, Time start) : terminal_(terminal), start_(start) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// Shows "LABEL [####----] 3/8 steps, 12 s". Without a total no bar.
  void steps(const std::string& label, std::uint64_t done,
             const std::optional<std::uint64_t>& total, Time now);
  /// Shows "LABEL 12.3 MiB, 3.10 MiB/s", on a terminal only.
  void bytes(const std::string& label, std::uint64_t done, Time now);
  /// Shows "LABEL [####----] 1.20 MiB of 3.40 MiB"; `total_bytes` 0: not known. Without a terminal
  /// a line for each new label. Any thread, one at a time.
  void part(const std::string& label, std::uint64_t done, std::uint64_t total_bytes, Time now);
  /// Takes the line away.
  void clear();

  [[nodiscard]] static bool on_terminal();

private:
  void draw(const std::string& line);

  const bool terminal_;
  const Time start_;
  std::optional<Time> drawn_;
  std::string last_; ///< What steps() said, without the time; or the label of part().
  bool visible_ = false;
};

/// What ProgressLine::part() shows on a terminal.
[[nodiscard]] std::string part_text(const std::string& label, std::uint64_t done,
                                    std::uint64_t total_bytes);
/// "[######--------------]"
[[nodiscard]] std::string bar_text(std::uint64_t done, std::uint64_t total);

} // namespace spate::cli
