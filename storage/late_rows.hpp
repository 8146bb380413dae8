// Spate - the late rows of one series in order of time and arrival, within bounded memory.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/columnar/block.hpp"
#include "engine/model/shape.hpp"
#include "storage/block_cursor.hpp"

namespace spate::storage {

/// Late blocks may overlap anything, so all of them are looked through. What does not fit is looked
/// up again, from where the last rows ended. One thread; `blocks` outlives it and is moved by it.
class LateRows {
public:
  /// Rows that are to be left out.
  using Hides = std::function<bool(std::size_t input, std::uint64_t order, std::int64_t time_ns)>;
  /// A block that can not be read.
  using OnDamaged = std::function<Result<void>(std::size_t input, const BlockKey& key,
                                               std::string_view block, const Error& error)>;

  /// `pace` is asked after each block; false ends the call with storage_unavailable.
  LateRows(BlockCursor& blocks, std::size_t bytes_max, Hides hides, OnDamaged on_damaged,
           std::function<bool()> pace)
      : blocks_(blocks), bytes_max_(bytes_max), hides_(std::move(hides)),
        on_damaged_(std::move(on_damaged)), pace_(std::move(pace)) {}

  /// Where a row stands: later ones compare greater.
  struct Position {
    std::int64_t time_ns = INT64_MIN;
    std::uint64_t order = 0;
    std::size_t input = 0;
    std::size_t index = 0; ///< In its block, from 1.
    friend auto operator<=>(const Position&, const Position&) = default;
  };

  /// To the first row of the series. Errors, here and in the others: those of the cursor and of
  /// `on_damaged`.
  Result<void> begin(std::uint32_t device, std::uint32_t series, const model::Shape& shape);
  /// To the first row again.
  Result<void> rewind();
  Result<void> next();

  [[nodiscard]] bool valid() const noexcept { return at_ < rows_.size(); }
  [[nodiscard]] const Position& position() const noexcept { return rows_[at_].position; }
  [[nodiscard]] std::int64_t time_ns() const noexcept { return rows_[at_].position.time_ns; }
  /// Good until the next call.
  [[nodiscard]] columnar::Row row() const noexcept;

private:
  struct Held {
    Position position;
    std::int64_t received_ms;
    std::size_t values_begin;
    std::size_t values_bytes;
    model::TsSource source;
  };
  Result<void> fill(const Position& after);
  Result<void> take(const Position& after);
  void trim();

  BlockCursor& blocks_;
  const std::size_t bytes_max_;
  const Hides hides_;
  const OnDamaged on_damaged_;
  const std::function<bool()> pace_;
  std::uint32_t device_ = 0;
  std::uint32_t series_ = 0;
  const model::Shape* shape_ = nullptr;
  std::vector<Held> rows_;
  std::string values_;
  std::size_t at_ = 0;
  bool from_start_ = false; ///< rows_ begins with the first row.
  bool complete_ = false;   ///< rows_ ends with the last one.
  Position limit_;          ///< Else nothing behind this is in it.
  std::vector<columnar::Row> decoded_;
  std::string arena_;
};

} // namespace spate::storage
