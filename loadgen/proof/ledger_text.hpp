// Spate - records of a ledger as text: for people, for scripts, and from other generators.
//
// A line is "device TAB ts TAB hash", hash as 16 hex digits, and " TAB dup" behind it for what was
// received with DUP. device: UTF-8 without control characters; ts: its time, integer epoch ms.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"

namespace spate::loadgen {

struct LedgerLine {
  std::string_view device;
  std::int64_t ts = 0;
  std::uint64_t hash = 0;
  bool repeated = false;
};

/// Appends the line with its LF.
void append_ledger_line(std::string& out, const LedgerLine& line);

/// Reads a line without its LF; views borrow it. Error: malformed_payload.
Result<LedgerLine> parse_ledger_line(std::string_view line);

/// Whether the name of a device can stand in a line: no control characters, UTF-8, not empty, at
/// most kLedgerNameBytesMax.
[[nodiscard]] bool is_ledger_name(std::string_view device) noexcept;

} // namespace spate::loadgen
