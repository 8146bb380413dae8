// Spate - text for a terminal: columns, times, and nothing that could move its cursor.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace spate::cli {

/// Columns as wide as their widest cell; the last one is not filled up.
class Table {
public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  /// As many cells as the header has.
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] std::string text() const;

private:
  std::vector<std::vector<std::string>> rows_;
};

/// On one line: white space becomes a blank, other control characters (C1 too) a `?`; cut to
/// `characters_max`, with an ellipsis.
[[nodiscard]] std::string printable(std::string_view text, std::size_t characters_max = 4096);

/// "2026-07-14T08:00:31.123Z"
[[nodiscard]] std::string time_text(std::int64_t wall_ms);
/// "840 us", "21.1 ms", "3.20 s"
[[nodiscard]] std::string duration_text(std::int64_t us);
/// "133 MiB": three digits and a unit.
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);

/// "12.3 MiB"
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);

} // namespace spate::cli
