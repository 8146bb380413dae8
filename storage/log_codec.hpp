// Spate - one commit as the value of one key in the log: which tails it sealed, then its rows.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
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
///   head (source | unit << 2 | late << 4), varint device, varint series, zigzag time since the
///   base in `unit`, zigzag receive time since the base, varint length, values.
/// Rows count up from the first.
class LogEncoder {
public:
  /// Starts a commit. Times near the bases cost the fewest bytes.
  void begin(std::uint64_t first_row, std::int64_t time_ns, std::int64_t received_ms,
             const std::vector<SealRecord>& seals);
  /// Returns where in bytes() the values lie.
  std::size_t add(std::uint32_t device, std::uint32_t series, bool late, const RowView& row);
  [[nodiscard]] std::string_view bytes() const noexcept { return bytes_.view(); }
  void shrink(std::size_t capacity_max) { bytes_.shrink(capacity_max); }

private:
  ByteBuffer bytes_;
  std::int64_t base_time_ns_ = 0;
  std::int64_t base_received_ms_ = 0;
};

struct LogRow {
  std::uint32_t device = 0;
  std::uint32_t series = 0;
  BlockKind kind = BlockKind::main;
  RowView row; ///< Values borrow the commit's bytes.
};

/// Reads a commit: header first, then all seals, then rows.
class LogDecoder {
public:
  /// False if the head is damaged or of another format.
  [[nodiscard]] bool begin(std::string_view commit) noexcept;
  [[nodiscard]] bool next_seal(SealRecord& seal) noexcept;
  /// To be called after next_seal() has returned false.
  [[nodiscard]] bool next_row(LogRow& row) noexcept;
  /// All was read and nothing was cut.
  [[nodiscard]] bool complete() const noexcept;
  /// Number of the row that comes next: after the last, the first of the next commit.
  [[nodiscard]] std::uint64_t next_row_number() const noexcept { return next_row_; }

private:
  ByteReader reader_{std::string_view()};
  std::uint64_t seals_left_ = 0;
  std::uint64_t next_row_ = 0;
  std::int64_t base_time_ns_ = 0;
  std::int64_t base_received_ms_ = 0;
};

} // namespace spate::storage
