// Spate - blocks of a ledger as they go into the file; ledger_format.hpp describes them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.hpp"
#include "engine/model/row.hpp"
#include "loadgen/load/device_names.hpp"
#include "loadgen/proof/ledger_format.hpp"

namespace spate::loadgen {

/// Whole blocks, with their checksums, and how many records they hold.
struct LedgerBlock {
  std::string bytes;
  std::uint64_t records = 0;
};

/// Records of one thread and one cohort until they are handed to a LedgerWriter.
///
///   lines.add(device, ts, hash);
///   if (lines.full()) { writer.write(lines.take()); }
///
/// A generator that is killed takes with it what was not handed over: take() also about every
/// second, if not empty().
/// Thread: its group's. No call allocates but the first add() after a take().
class LedgerLines {
public:
  static constexpr std::size_t kFullBytes = std::size_t{64} << 10;

  /// `cohort` is the number that LedgerWriter::add_cohort() gave.
  explicit LedgerLines(std::uint32_t cohort, bool repeated = false) noexcept
      : cohort_(cohort), repeated_(repeated) {}

  /// `device` is its number in the cohort.
  void add(std::uint32_t device, std::int64_t ts, std::uint64_t hash) {
    if (count_ == 0) {
      bytes_.resize(kFullBytes + kRoom);
      end_ = bytes_.data() + kRecordsAt;
    }
    char* at = model::write_varint_wide(
        end_, zigzag(static_cast<std::int64_t>(device) - static_cast<std::int64_t>(device_)));
    // Modulo 2^64: times come from outside.
    at = model::write_varint_wide(
        at, zigzag(static_cast<std::int64_t>(static_cast<std::uint64_t>(ts) - ts_)));
    for (int shift = 56; shift >= 0; shift -= 8) {
      *at++ = static_cast<char>(hash >> shift);
    }
    device_ = device;
    ts_ = static_cast<std::uint64_t>(ts);
    end_ = at;
    ++count_;
  }
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] bool full() const noexcept { return bytes() >= kFullBytes; }
  [[nodiscard]] std::uint64_t records() const noexcept { return count_; }
  [[nodiscard]] std::size_t bytes() const noexcept {
    return count_ == 0 ? 0 : static_cast<std::size_t>(end_ - bytes_.data());
  }
  /// The block of what was added; then this is empty. Call only if not empty().
  [[nodiscard]] LedgerBlock take();

private:
  /// Where the records begin: the head is written in front of them, when their number is known.
  static constexpr std::size_t kRecordsAt = kLedgerBlockHeadBytes + 10 + 10;
  /// A record takes 28 bytes at most, and its writing may touch 8 more.
  static constexpr std::size_t kRoom = 64;

  std::uint32_t cohort_;
  bool repeated_;
  std::string bytes_;
  char* end_ = nullptr; ///< Where the next record goes.
  std::uint32_t device_ = 0;
  std::uint64_t ts_ = 0;
  std::uint64_t count_ = 0;
};

/// Calls `visit(block)` for each of these blocks, which are whole. Their checksums are not looked
/// at.
template <class Visit>
void for_each_block(std::string_view blocks, Visit&& visit) {
  while (!blocks.empty()) {
    const std::size_t bytes =
        kLedgerBlockHeadBytes + get_be<std::uint32_t>(blocks.data() + 1) + kLedgerBlockTailBytes;
    visit(blocks.substr(0, bytes));
    blocks.remove_prefix(bytes);
  }
}

/// The same block as one of another cohort. Of a block whose body begins with one.
[[nodiscard]] std::string with_cohort(std::string_view block, std::uint32_t cohort);

/// Appends the block of a cohort.
void append_cohort_block(std::string& out, std::uint32_t cohort, std::string_view name);
/// Appends the blocks of a cohort's devices: by their rule, or listed.
void append_names_blocks(std::string& out, std::uint32_t cohort, const DeviceNames& names);
/// Appends blocks that list more devices of a cohort.
void append_listed_blocks(std::string& out, std::uint32_t cohort,
                          const std::vector<std::string>& names);
void append_end_block(std::string& out, std::uint64_t records, std::uint64_t blocks);

} // namespace spate::loadgen
