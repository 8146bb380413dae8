// Spate - the ledger: what was acknowledged (or received), on disk, about ten bytes a record.
//
// A file is the 15 bytes "spate ledger 1\n" and blocks, one after the other:
//   u8   type
//   u32  bytes of the body, big-endian
//   ...  body
//   u64  XXH3-64 of all that stands before it in the block, big-endian
// Types and bodies; varint is LEB128, svarint the same after zigzag, text a varint length and
// UTF-8:
//   C  a cohort:        varint number (0, 1, 2, ... in this order), text name
//   N  devices by rule: varint cohort, varint count, varint first, text before, text after; the
//                       devices before + (first + 0, 1, 2, ...) + after are added to the cohort
//   L  devices listed:  varint cohort, varint count, count texts; added to the cohort
//   R  records:         varint cohort, varint count, then for each record svarint device, svarint
//                       time, u64 hash; device (its number in the cohort, from 0) and time (device
//                       time, epoch ms) are differences to the record before, the first ones to 0
//   D  as R; received, and marked by the server as sent again (DUP)
//   E  the end:         varint records, varint blocks of records; the last block
// A file without the end was cut off. The hash is values_hash() of the record's fields without the
// time. Blocks of one thread stand in the order of its acknowledgements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spate::loadgen {

inline constexpr std::string_view kLedgerHead = "spate ledger 1\n";

enum class LedgerBlockType : char {
  cohort = 'C',
  rule = 'N',
  listed = 'L',
  records = 'R',
  repeated = 'D',
  end = 'E'
};

inline constexpr std::size_t kLedgerBlockHeadBytes = 5;
inline constexpr std::size_t kLedgerBlockTailBytes = 8;
inline constexpr std::size_t kLedgerBodyBytesMax = std::size_t{1} << 20;
inline constexpr std::uint32_t kLedgerCohortsMax = 65'536;
/// Of all cohorts together.
inline constexpr std::uint64_t kLedgerDevicesMax = 100'000'000;
inline constexpr std::size_t kLedgerNameBytesMax = 65'535; ///< As long as a topic may be.

struct LedgerRecord {
  std::uint32_t cohort = 0;
  std::uint32_t device = 0; ///< Its number in the cohort.
  std::int64_t ts = 0;      ///< Device time, epoch ms.
  std::uint64_t hash = 0;   ///< values_hash() without the time.
  bool repeated = false;    ///< Received with DUP.
  bool operator==(const LedgerRecord&) const = default;
};

} // namespace spate::loadgen
