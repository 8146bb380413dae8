// Spate - columnar blocks: the records of one device and shape, column by column, bit-exact.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/model/ids.hpp"
#include "engine/model/row.hpp"
#include "engine/model/shape.hpp"

namespace spate::columnar {

/// One record. `values` are row bytes as engine/model/row.hpp says, and borrow.
struct Row {
  std::int64_t time_ns = 0;
  std::int64_t received_ms = 0;
  model::TsSource source = model::TsSource::server;
  std::string_view values;
};

/// Rows of a block, at most: what a reader must be ready to hold.
inline constexpr std::size_t kBlockRowsMax = std::size_t{1} << 18;

/// Row bytes of all rows of a block, at most: whoever cuts blocks keeps below it, or all() refuses.
inline constexpr std::size_t kBlockValueBytesMax = std::size_t{256} << 20;

/// First byte of every block. Another one is refused, never guessed at.
inline constexpr std::uint8_t kBlockFormat = 2;

/// Whether the head of each number and boolean column holds sums: small blocks that are soon folded
/// do without.
enum class Heads : std::uint8_t { without, with };

/// Of a number or boolean column (false is 0, true is 1) over all rows of its block.
struct ColumnHead {
  model::Decimal min;
  model::Decimal max;
  model::Decimal first;
  model::Decimal last;
  /// Exact: sum * 10^-scale.
  __extension__ __int128 sum = 0;
  std::uint8_t scale = 0;
};

/// Encodes blocks; keeps its buffers from block to block. One thread.
class BlockEncoder {
public:
  BlockEncoder();
  ~BlockEncoder();
  BlockEncoder(const BlockEncoder&) = delete;
  BlockEncoder& operator=(const BlockEncoder&) = delete;

  /// Appends a block of `rows`: 1 to kBlockRowsMax of them, times ascending, rows of one time in
  /// the order of their arrival, which the block keeps. Every row fits `shape`.
  void encode(const model::Shape& shape, const std::vector<Row>& rows, Heads heads,
              std::string& out);

private:
  struct Buffers;
  std::unique_ptr<Buffers> buffers_;
};

/// Decoded values of one number column. Row i is mantissas[i] * 10^-scales[i] with exactly that
/// text, unless `texts` has an entry for it: then that text is the number (mantissa and scale 0).
struct NumberColumn {
  std::vector<std::int64_t> mantissas;
  std::vector<std::uint8_t> scales; ///< One entry if all rows have the same scale, else one a row.
  struct Text {
    std::uint32_t row = 0;
    std::string text;
  };
  std::vector<Text> texts; ///< By row.
};

/// Reads one block. Whatever the bytes hold it stays inside them, allocates no more than
/// kBlockRowsMax rows need, and answers storage_corrupt where they make no sense. `block` and
/// `shape` are borrowed for its life. One thread.
class BlockReader {
public:
  /// Checks format, checksum and head; decodes no column. Error: storage_corrupt.
  static Result<BlockReader> open(const model::Shape& shape, std::string_view block);

  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::int64_t first_time_ns() const noexcept { return first_time_ns_; }
  [[nodiscard]] std::int64_t last_time_ns() const noexcept { return last_time_ns_; }
  /// Of a number or boolean column of a block Heads::with; nothing where a value is kept as text,
  /// or where the block has none.
  Result<std::optional<ColumnHead>> head(std::size_t field) const;

  // Each replaces what `out` holds and decodes that column only. Error: storage_corrupt.
  Result<void> times(std::vector<std::int64_t>& out) const;
  Result<void> numbers(std::size_t field, NumberColumn& out) const;
  Result<void> booleans(std::size_t field, std::vector<std::uint8_t>& out) const;
  /// Borrow the block or `arena`.
  Result<void> strings(std::size_t field, std::vector<std::string_view>& out,
                       std::string& arena) const;

  /// Appends all rows; their values lie in `arena`, which is appended to and must not change while
  /// they are used: views are made after the last byte of this call is written, and views of
  /// earlier calls into the same arena are invalid. Error: storage_corrupt.
  Result<void> all(std::vector<Row>& out, std::string& arena) const;

private:
  BlockReader() = default;

  const model::Shape* shape_ = nullptr;
  std::string_view block_;
  std::size_t rows_ = 0;
  std::int64_t first_time_ns_ = 0;
  std::int64_t last_time_ns_ = 0;
  std::vector<std::string_view> columns_; ///< Times, receive times, sources, then the fields.
  std::vector<std::string_view> heads_;   ///< By field; empty: none.
};

/// Rows and times of a block without knowing its shape. Error: storage_corrupt. The checksum is not
/// checked.
struct BlockSpan {
  std::size_t rows = 0;
  std::int64_t first_time_ns = 0;
  std::int64_t last_time_ns = 0;
};
Result<BlockSpan> block_span(std::string_view block);

} // namespace spate::columnar
