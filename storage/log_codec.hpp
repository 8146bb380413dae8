// Spate - one commit as the value of one key in the log: which tails it sealed, then its rows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/model/shape.hpp"
#include "storage/byte_buffer.hpp"
#include "storage/keys.hpp"
#include "storage/row_codec.hpp"

namespace spate::storage {

inline constexpr std::uint8_t kLogFormat = 2;

/// The tail that a block was made of, by the commit that holds the block.
struct SealRecord {
  std::uint32_t device = 0;
  std::uint32_t series = 0;
  BlockKind kind = BlockKind::main;
};

/// Layout: u8 format, varint number of the first row, varint base time in ms, varint base receive
/// time; varint count of seals, each varint device, varint series, u8 kind; then rows to the end,
/// each
///   u8 head: source (2 bits), unit of the time (2), late, same series as the row before, same
///     receive time as the row before, bare
///   varint device, varint series if it is not the same, zigzag time since the base in `unit`,
///     zigzag receive time since the base if it is not the same
///   values: varint length and the row's bytes; of a bare row the mantissas alone, as many and with
///     the scales of the last row before it that is not bare, which has the same series and nothing
///     but decimals.
/// Rows count up from the first.
class LogEncoder {
public:
  /// Starts a commit. Times near the bases cost the fewest bytes.
  void begin(std::uint64_t first_row, std::int64_t time_ns, std::int64_t received_ms,
             const std::vector<SealRecord>& seals);
  /// Returns where in values() the row's values lie. `shape` is that of the series.
  std::size_t add(std::uint32_t device, std::uint32_t series, bool late, const model::Shape& shape,
                  const RowView& row);
  [[nodiscard]] std::string_view bytes() const noexcept { return bytes_.view(); }
  /// The values of all rows as they were given, until the next begin().
  [[nodiscard]] std::string_view values() const noexcept { return values_.view(); }
  void shrink(std::size_t capacity_max) {
    bytes_.shrink(capacity_max);
    values_.shrink(capacity_max);
  }

private:
  char* write_bare(char* at, std::string_view values) const noexcept;
  void take_scales(const model::Shape& shape, std::string_view values);

  ByteBuffer bytes_;
  ByteBuffer values_;
  std::int64_t base_time_ns_ = 0;
  std::int64_t base_received_ms_ = 0;
  std::uint32_t series_ = 0; ///< Of the row before; 0: there is none.
  std::int64_t received_ms_ = 0;
  std::vector<std::uint8_t> scales_; ///< Of the last row that is not bare; empty: not decimals.
  std::uint32_t scales_series_ = 0;
  const model::Shape* numbers_ = nullptr; ///< The last shape looked at,
  bool only_numbers_ = false;             ///< and whether it has nothing but numbers.
};

struct LogRow {
  std::uint32_t device = 0;
  std::uint32_t series = 0;
  BlockKind kind = BlockKind::main;
  RowView row; ///< Values borrow the commit's bytes or the decoder, until the next row.
};

/// Reads a commit: header first, then all seals, then rows.
class LogDecoder {
public:
  /// False if the head is damaged or of another format.
  [[nodiscard]] bool begin(std::string_view commit) noexcept;
  [[nodiscard]] bool next_seal(SealRecord& seal) noexcept;
  /// To be called after next_seal() has returned false.
  [[nodiscard]] bool next_row(LogRow& row);
  /// All was read and nothing was cut.
  [[nodiscard]] bool complete() const noexcept;
  /// When the commit was made.
  [[nodiscard]] std::int64_t received_ms() const noexcept { return base_received_ms_; }
  /// Number of the row that comes next: after the last, the first of the next commit.
  [[nodiscard]] std::uint64_t next_row_number() const noexcept { return next_row_; }

private:
  bool read_bare(RowView& row);

  ByteReader reader_{std::string_view()};
  std::uint64_t seals_left_ = 0;
  std::uint64_t next_row_ = 0;
  std::int64_t base_time_ns_ = 0;
  std::int64_t base_received_ms_ = 0;
  std::uint32_t series_ = 0;
  std::int64_t received_ms_ = 0;
  bool first_ = true;
  std::string_view whole_; ///< Values of the last row that is not bare,
  std::uint32_t whole_series_ = 0;
  std::vector<std::uint8_t> scales_; ///< and its scales, once they were needed.
  std::string bare_;
};

} // namespace spate::storage
