// Spate - lines of a terminal that are refreshed in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace spate::loadgen {

/// What a terminal is asked for, so that tests can pretend one.
struct Terminal {
  bool is_terminal = false; ///< Lines can be refreshed.
  bool utf8 = false;
  std::function<std::size_t()> columns;
  std::function<void(const std::string&)> write;

  /// Standard error.
  static Terminal standard();
};

/// Draws lines over those that it drew before. The cursor is hidden meanwhile and shown again by
/// clear(), by the destructor, and by whoever ends the process otherwise: write kShowCursor.
/// Thread: one.
class LiveScreen {
public:
  static constexpr std::int64_t kRefreshNs = 250'000'000;
  static constexpr const char* kShowCursor = "\x1b[?25h";

  explicit LiveScreen(Terminal terminal) : terminal_(std::move(terminal)) {}
  ~LiveScreen() { clear(); }
  LiveScreen(const LiveScreen&) = delete;
  LiveScreen& operator=(const LiveScreen&) = delete;

  [[nodiscard]] const Terminal& terminal() const noexcept { return terminal_; }
  /// True if it is time to draw again.
  [[nodiscard]] bool due(std::int64_t now_ns) const noexcept { return now_ns >= next_ns_; }
  void draw(const std::vector<std::string>& lines, std::int64_t now_ns);
  /// Takes the lines away.
  void clear();

private:
  /// Moves to the first of the lines that stand on the screen.
  [[nodiscard]] std::string to_top(std::size_t columns) const;

  Terminal terminal_;
  std::vector<std::size_t> shown_; ///< Columns of each line that was drawn.
  std::int64_t next_ns_ = 0;
};

} // namespace spate::loadgen
