// Spate - rows of one device and series as bytes: the form that they have in tails.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "engine/columnar/block.hpp"
#include "storage/byte_buffer.hpp"

namespace spate::storage {

/// One stored record of a known device and series. Its values borrow.
using RowView = columnar::Row;

/// Times are differences in the coarsest unit that holds them exactly, so that milliseconds cost no
/// more bytes than milliseconds.
enum class TimeUnit : std::uint8_t { ns = 0, us = 1, ms = 2 };
inline constexpr std::int64_t kUnitNs[] = {1, 1'000, 1'000'000, 1};

[[nodiscard]] inline TimeUnit unit_of(std::int64_t difference_ns) noexcept {
  if (difference_ns % 1'000'000 == 0) {
    return TimeUnit::ms;
  }
  return difference_ns % 1'000 == 0 ? TimeUnit::us : TimeUnit::ns;
}

/// A time difference read back; wraps instead of overflowing on damaged bytes.
[[nodiscard]] inline std::int64_t difference_ns(std::int64_t count, unsigned unit) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(count) *
                                   static_cast<std::uint64_t>(kUnitNs[unit & 3]));
}

/// What the next row is a difference to.
struct RowBase {
  std::int64_t time_ns = 0;
  std::int64_t received_ms = 0;
};

/// Bytes of a row without its values, at most.
inline constexpr std::size_t kRowOverheadMax = 1 + 3 * kVarintBytesMax;

/// A row: head (source | unit << 2), then zigzag differences to the row before of time and receive
/// time, then varint length and the values. Returns the end; kRowOverheadMax + values are
/// free at `at`.
inline char* write_row(char* at, RowBase& base, const RowView& row) noexcept {
  const std::int64_t time = wrapping_difference(row.time_ns, base.time_ns);
  const TimeUnit unit = unit_of(time);
  *at++ = static_cast<char>(static_cast<unsigned>(row.source) | (static_cast<unsigned>(unit) << 2));
  at = write_svarint(at, unit == TimeUnit::ms   ? time / 1'000'000
                         : unit == TimeUnit::us ? time / 1'000
                                                : time);
  at = write_svarint(at, wrapping_difference(row.received_ms, base.received_ms));
  at = write_varint(at, row.values.size());
  std::memcpy(at, row.values.data(), row.values.size());
  base = {row.time_ns, row.received_ms};
  return at + row.values.size();
}

/// Reads rows one by one; stays inside its bytes whatever they hold.
class RowCursor {
public:
  explicit RowCursor(std::string_view bytes) noexcept : bytes_(bytes) {}

  /// False at the end or where the bytes are cut: then corrupt() is true.
  bool next(RowView& row) noexcept {
    if (bytes_.empty() || !bytes_.ok()) {
      return false;
    }
    const auto head = bytes_.be<std::uint8_t>();
    base_.time_ns = wrapping_sum(base_.time_ns, difference_ns(bytes_.svarint(), head >> 2));
    base_.received_ms = wrapping_sum(base_.received_ms, bytes_.svarint());
    row.values = bytes_.bytes(bytes_.varint());
    row.time_ns = base_.time_ns;
    row.received_ms = base_.received_ms;
    row.source = static_cast<model::TsSource>(head & 3);
    return bytes_.ok();
  }
  [[nodiscard]] bool corrupt() const noexcept { return !bytes_.ok(); }

private:
  ByteReader bytes_;
  RowBase base_;
};

} // namespace spate::storage
