#include "loadgen/proof/ledger_text.hpp"

#include <algorithm>
#include <charconv>

#include "engine/base/utf8.hpp"
#include "loadgen/proof/ledger_format.hpp"

namespace spate::loadgen {

namespace {

constexpr std::string_view kRepeated = "\tdup";

} // namespace

void append_ledger_line(std::string& out, const LedgerLine& line) {
  char number[24];
  out.append(line.device).push_back('\t');
  out.append(number, std::to_chars(number, number + sizeof number, line.ts).ptr);
  out.push_back('\t');
  static constexpr char kHex[] = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) {
    out.push_back(kHex[(line.hash >> shift) & 0xf]);
  }
  out.append(line.repeated ? kRepeated : "").push_back('\n');
}

Result<LedgerLine> parse_ledger_line(std::string_view line) {
  LedgerLine read;
  if (line.ends_with(kRepeated)) {
    read.repeated = true;
    line.remove_suffix(kRepeated.size());
  }
  const auto bad = [] { return fail(Errc::malformed_payload, "not \"device TAB ts TAB hash\""); };
  const std::size_t first = line.find('\t');
  const std::size_t second = first == std::string_view::npos ? first : line.find('\t', first + 1);
  if (second == std::string_view::npos || line.size() - second != 17) {
    return bad();
  }
  read.device = line.substr(0, first);
  const char* end = line.data() + second;
  const auto ts = std::from_chars(line.data() + first + 1, end, read.ts);
  const auto hash = std::from_chars(end + 1, line.data() + line.size(), read.hash, 16);
  if (ts.ec != std::errc{} || ts.ptr != end || hash.ec != std::errc{} ||
      hash.ptr != line.data() + line.size() || !is_ledger_name(read.device)) {
    return bad();
  }
  return read;
}

bool is_ledger_name(std::string_view device) noexcept {
  return !device.empty() && device.size() <= kLedgerNameBytesMax &&
         std::none_of(device.begin(), device.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }) &&
         is_utf8(device);
}

} // namespace spate::loadgen
