// Spate - the keys of the database. Big-endian, so that byte order is the order of reading.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/bytes.hpp"
#include "engine/model/ids.hpp"

namespace spate::storage {

/// Main blocks of a device and shape are disjoint in time; rows that come after their time was
/// sealed go to late blocks, which may overlap anything.
enum class BlockKind : std::uint8_t { main = 0, late = 1 };

/// A series is a shape in a retention class: rows of one device and series share blocks.
inline constexpr unsigned kShapeBits = 24;
inline constexpr std::uint32_t kShapesMax = (1u << kShapeBits) - 1;
[[nodiscard]] constexpr std::uint32_t series_of(std::uint8_t retention_class,
                                                std::uint32_t shape) noexcept {
  return static_cast<std::uint32_t>(retention_class) << kShapeBits | shape;
}
[[nodiscard]] constexpr std::uint32_t shape_of(std::uint32_t series) noexcept {
  return series & kShapesMax;
}
[[nodiscard]] constexpr std::uint8_t class_of(std::uint32_t series) noexcept {
  return static_cast<std::uint8_t>(series >> kShapeBits);
}

/// BE32 device | BE32 series | u8 kind | BE64 last time with its sign flipped | BE64 order. By the
/// last time: seeking t finds the first main block that can hold t. In a run BE32 run stands
/// before it.
struct BlockKey {
  std::uint32_t device = 0;
  std::uint32_t series = 0;
  BlockKind kind = BlockKind::main;
  std::int64_t last_time_ns = 0;
  /// Rows of one series and time arrived in this order: main block first, then late blocks by it.
  std::uint64_t order = 0;
};
inline constexpr std::size_t kBlockKeyBytes = 25;
inline constexpr std::size_t kRunKeyBytes = 4;

/// The order of a block that commit `sequence` sealed; `part` tells blocks cut from one apart.
inline constexpr unsigned kPartBits = 16;
[[nodiscard]] constexpr std::uint64_t order_of(std::uint64_t sequence,
                                               std::uint64_t part = 0) noexcept {
  return sequence << kPartBits | part;
}
[[nodiscard]] constexpr std::uint64_t sequence_of(std::uint64_t order) noexcept {
  return order >> kPartBits;
}

[[nodiscard]] constexpr std::uint64_t ordered(std::int64_t time) noexcept {
  return static_cast<std::uint64_t>(time) ^ (std::uint64_t{1} << 63);
}
[[nodiscard]] constexpr std::int64_t time_of(std::uint64_t ordered) noexcept {
  return static_cast<std::int64_t>(ordered ^ (std::uint64_t{1} << 63));
}

inline void append_block_key(std::string& out, const BlockKey& key) {
  put_be(out, key.device);
  put_be(out, key.series);
  out.push_back(static_cast<char>(key.kind));
  put_be(out, ordered(key.last_time_ns));
  put_be(out, key.order);
}
[[nodiscard]] inline std::string block_key(const BlockKey& key) {
  std::string out;
  out.reserve(kBlockKeyBytes);
  append_block_key(out, key);
  return out;
}
/// False if `bytes` is no block key.
[[nodiscard]] inline bool parse_block_key(std::string_view bytes, BlockKey& key) noexcept {
  if (bytes.size() != kBlockKeyBytes || static_cast<unsigned char>(bytes[8]) > 1) {
    return false;
  }
  key.device = get_be<std::uint32_t>(bytes.data());
  key.series = get_be<std::uint32_t>(bytes.data() + 4);
  key.kind = static_cast<BlockKind>(bytes[8]);
  key.last_time_ns = time_of(get_be<std::uint64_t>(bytes.data() + 9));
  key.order = get_be<std::uint64_t>(bytes.data() + 17);
  return true;
}

/// A commit in a log window, an entry in the ring of rejections.
[[nodiscard]] inline std::string number_key(std::uint64_t number) {
  std::string out;
  put_be(out, number);
  return out;
}

/// Keys of the column family `meta` begin with one of these letters.
namespace meta {
inline constexpr char kDevice = 'D'; ///< D tenant NUL id -> BE32 number, BE64 first seen
/// P BE32 device BE32 series -> empty while nothing is sealed; then BE64 newest time in its main
/// blocks with its sign flipped, BE64 receive time of the device's newest row at the last seal, and
/// the newest sealed row as LastRow has it (empty: not kept)
inline constexpr char kDeviceSeries = 'P';
inline constexpr char kShape = 'S';     ///< S BE32 shape -> definition
inline constexpr char kClass = 'C';     ///< C BE32 retention class -> BE32 seconds
inline constexpr char kOperation = 'O'; ///< O id -> see OperationBook
inline constexpr char kErasure = 'E';   ///< E BE32 number -> see encode(Erasure)

[[nodiscard]] inline std::string device_key(std::string_view id) {
  std::string out(1, kDevice);
  out.append(model::kDefaultTenant).push_back('\0');
  return out.append(id);
}
[[nodiscard]] inline std::string number_key(char letter, std::uint32_t number) {
  std::string out(1, letter);
  put_be(out, number);
  return out;
}
[[nodiscard]] inline std::string device_series_key(std::uint32_t device, std::uint32_t series) {
  std::string out = number_key(kDeviceSeries, device);
  put_be(out, series);
  return out;
}
} // namespace meta

} // namespace spate::storage
