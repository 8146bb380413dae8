// Spate - records of one data directory in the order of their commits, as consumers read them.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/arena.hpp"
#include "engine/base/result.hpp"
#include "engine/model/ids.hpp"
#include "engine/model/shape.hpp"

namespace spate::storage {

/// Where a record stands for ever. As text: "0.4711.3".
struct LogPosition {
  std::uint16_t directory = 0; ///< Among those of the store, in the order of creation, from 0.
  std::uint64_t commit = 0;    ///< From 1; 0: before all that is kept.
  std::uint32_t row = 0;       ///< In its commit, from 1; 0: before its first.

  auto operator<=>(const LogPosition&) const = default;
};
[[nodiscard]] std::string text_of(const LogPosition& position);
/// Error: cursor_invalid.
Result<LogPosition> parse_log_position(std::string_view text);

/// What is kept, of one data directory.
struct KeptLogFigures {
  std::uint64_t bytes = 0;        ///< Live and archived files.
  std::uint64_t first_commit = 0; ///< Oldest that is kept; 0: none.
  std::int64_t first_ms = 0;      ///< When it was made.
  std::uint64_t last_commit = 0;  ///< Newest that may be read.
};

/// Where a page ended in the files, so that the next one need not look for it. To be given back as
/// it came; without it, or where it does not fit any more, the files are searched.
struct LogHint {
  std::uint64_t commit = 0;
  std::uint64_t file = 0;
  std::uint64_t place = 0;
};

struct LogRequest {
  LogPosition after; ///< Records behind it.
  std::optional<std::string> device;
  std::size_t limit = 1000;
  /// The page ends, with `more`, when its records' values pass this; it holds at least one.
  std::size_t bytes_max = 4u << 20;
  LogHint hint;
  std::function<bool()> cancelled; ///< As in ScanRequest.
};

struct LogRecord {
  LogPosition position;
  std::string_view device; ///< Its id, in the page's arena.
  std::int64_t time_ns = 0;
  std::int64_t received_ms = 0;
  model::TsSource source = model::TsSource::server;
  const model::Shape* shape = nullptr;
  std::string_view values; ///< Row bytes of `shape`, in the page's arena.
};

/// Commits that were asked for and are not there any more.
struct LogGap {
  LogPosition after;    ///< Behind this
  LogPosition first;    ///< and before this.
  bool damaged = false; ///< A file of the log can not be read; else retention or an erasure.
};

struct LogPage {
  std::optional<LogGap> gap; ///< Before the first record.
  std::vector<LogRecord> records;
  LogPosition next;  ///< What to ask behind, also where no record stands.
  bool more = false; ///< There may be more now; false: at the end for the moment.
  LogHint hint;
  Arena arena;
};

} // namespace spate::storage
