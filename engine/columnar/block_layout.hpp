// Spate - how a block is laid out.
//
//   u8 kBlockFormat | LE32 checksum of the rest: low half of its XXH3 | varint rows << 1 | heads
//   svarint first time | varint last - first time
//   varint bytes of each column but the last: times, receive times, sources, then the fields
//   with heads: u8 bytes of the head of each field, then these heads
//   the columns
#pragma once

#include <cstddef>
#include <cstdint>

namespace spate::columnar {

inline constexpr std::size_t kChecksumAt = 1;
inline constexpr std::size_t kChecksumBytes = 4;
inline constexpr std::size_t kBodyAt = kChecksumAt + kChecksumBytes;

inline constexpr std::size_t kTimeColumn = 0;
inline constexpr std::size_t kReceivedColumn = 1;
inline constexpr std::size_t kSourceColumn = 2;
inline constexpr std::size_t kFieldColumns = 3; ///< Field i is column kFieldColumns + i.

/// First byte of the column of receive times: what the numbers are differences to.
inline constexpr unsigned char kReceivedToTime = 0; ///< To the row's own time in ms.
inline constexpr unsigned char kReceivedToNothing = 1;

/// First byte of a column of booleans.
inline constexpr unsigned char kAllFalse = 0;
inline constexpr unsigned char kAllTrue = 1;
inline constexpr unsigned char kBooleanIntegers = 2;

inline constexpr std::int64_t kNsPerMs = 1'000'000;

} // namespace spate::columnar
