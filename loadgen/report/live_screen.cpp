#include "loadgen/report/live_screen.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <sys/ioctl.h>
#include <unistd.h>

#include "loadgen/report/live_text.hpp"

namespace spate::loadgen {

namespace {

bool speaks_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') {
      const std::string_view locale(value);
      return locale.find("UTF-8") != std::string_view::npos ||
             locale.find("utf8") != std::string_view::npos;
    }
  }
  return false;
}

} // namespace

Terminal Terminal::standard() {
  Terminal made;
  const char* kind = std::getenv("TERM");
  made.is_terminal =
      isatty(STDERR_FILENO) != 0 && kind != nullptr && std::string_view(kind) != "dumb";
  made.utf8 = speaks_utf8();
  made.columns = [] {
    winsize window{};
    const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1;
    return static_cast<std::size_t>(known ? window.ws_col : 80);
  };
  made.write = [](const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  };
  return made;
}

std::string LiveScreen::to_top(std::size_t columns) const {
  // A terminal that became narrower has wrapped the lines.
  std::size_t rows = 0;
  for (const std::size_t width : shown_) {
    rows += std::max<std::size_t>(1, (width + columns - 1) / std::max<std::size_t>(columns, 1));
  }
  return rows == 0 ? "" : "\r\x1b[" + std::to_string(rows) + "A\x1b[J";
}

void LiveScreen::draw(const std::vector<std::string>& lines, std::int64_t now_ns) {
  next_ns_ = now_ns + kRefreshNs;
  std::string out = "\x1b[?25l" + to_top(terminal_.columns());
  shown_.clear();
  for (const std::string& line : lines) {
    out += line + "\n";
    shown_.push_back(columns_of(line));
  }
  terminal_.write(out);
}

void LiveScreen::clear() {
  if (!shown_.empty()) {
    terminal_.write(to_top(terminal_.columns()) + kShowCursor);
    shown_.clear();
  }
}

} // namespace spate::loadgen
