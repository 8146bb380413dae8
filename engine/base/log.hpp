// Spate - the log: one line an event, for people or as JSON, written off the hot path.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace spate::log {

enum class Level : std::uint8_t { debug, info, warn, error, off };
enum class Format : std::uint8_t { human, json };

/// Call once at start; before, lines go to stderr as they come. Lines are written by a thread of
/// its own from a bounded queue; when it is full the oldest are dropped and counted in dropped().
void start(Level level, Format format);
/// Writes what is queued and joins the thread.
void stop();

/// One named value of a line. The name is snake_case and stable, since people search for it.
struct Field {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool> value;
};

/// `event` is a stable kebab-case code ("session-refused"), `text` a sentence for people. Both
/// formats escape what comes from outside: no control character reaches a terminal.
void write(Level level, std::string_view event, std::string_view text,
           std::initializer_list<Field> fields = {});

inline void debug(std::string_view event, std::string_view text,
                  std::initializer_list<Field> fields = {}) {
  write(Level::debug, event, text, fields);
}
inline void info(std::string_view event, std::string_view text,
                 std::initializer_list<Field> fields = {}) {
  write(Level::info, event, text, fields);
}
inline void warn(std::string_view event, std::string_view text,
                 std::initializer_list<Field> fields = {}) {
  write(Level::warn, event, text, fields);
}
inline void error(std::string_view event, std::string_view text,
                  std::initializer_list<Field> fields = {}) {
  write(Level::error, event, text, fields);
}

/// Lines lost to a full queue since start().
[[nodiscard]] std::uint64_t dropped();

/// Lets `burst` events through at once and then `per_second`: for lines that a peer can provoke.
/// One instance a thread and kind of line. The first line after a pause says how many were held
/// back.
class RateLimit {
public:
  explicit RateLimit(double per_second = 5, double burst = 20) noexcept
      : per_second_(per_second), burst_(burst), tokens_(burst) {}

  [[nodiscard]] bool allow(std::int64_t now_ns) noexcept;
  /// Lines refused since the last allowed one; reading clears it.
  [[nodiscard]] std::uint64_t take_suppressed() noexcept;

private:
  double per_second_;
  double burst_;
  double tokens_;
  std::int64_t last_ns_ = 0;
  std::uint64_t suppressed_ = 0;
};

} // namespace spate::log
