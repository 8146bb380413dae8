// Spate - what an aggregate knows of one path in one bucket.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"
#include "engine/columnar/block.hpp"
#include "engine/model/row.hpp"
#include "storage/aggregate_values.hpp"
#include "storage/store.hpp"

namespace spate::storage {

[[nodiscard]] constexpr std::uint32_t bit(Function function) noexcept {
  return std::uint32_t{1} << static_cast<unsigned>(function);
}

/// Values that percentiles may hold, at most: of one field in a bucket, and of all its fields.
inline constexpr std::size_t kFieldValuesMax = 1'000'000;
inline constexpr std::size_t kBucketValuesMax = 4'000'000;

/// When a value is read: by time, then series; those of one time and series one after the other.
struct Moment {
  std::int64_t time_ns = 0;
  std::uint32_t series = 0;

  auto operator<=>(const Moment&) const = default;
};

/// Adds up values in any order, except those of one moment: they come in the order of their
/// arrival. Computes the functions asked for only. One thread.
class FieldAccumulator {
public:
  /// `values_left` is shared by the fields of a bucket and outlives it.
  FieldAccumulator(std::uint32_t functions, std::size_t& values_left)
      : functions_(functions), values_left_(&values_left) {}

  /// One value. Errors: usage (more values than percentiles may hold), storage_corrupt.
  Result<void> add(const model::Value& value, Moment moment);
  /// Rows [begin, end) of a column, which is decoded: not empty, of one shape, the first and last
  /// of them at these moments. Errors as add().
  Result<void> add_numbers(const columnar::NumberColumn& column, std::size_t begin, std::size_t end,
                           Moment first, Moment last);
  Result<void> add_booleans(std::span<const std::uint8_t> values, Moment first, Moment last);
  Result<void> add_strings(std::span<const std::string_view> values, Moment first, Moment last);
  /// The same of rows that only their head is known of. Not with percentiles.
  Result<void> add_numbers(const columnar::ColumnHead& head, std::size_t rows, Moment first,
                           Moment last);
  Result<void> add_booleans(const columnar::ColumnHead& head, std::size_t rows, Moment first,
                            Moment last);
  /// Rows whose values do not matter.
  void add_count(std::size_t rows) noexcept { count_ += rows; }

  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  /// The values of the functions asked for.
  void finish(std::array<AggregateValue, kFunctions>& out);
  /// For the next bucket.
  void clear();

private:
  /// A value that outlives its row.
  struct Kept {
    Moment moment;
    AggregateValue::Kind kind = AggregateValue::Kind::none;
    model::Decimal decimal;
    std::string text; ///< Of a string, or a number that is no decimal.
    bool boolean = false;
  };

  [[nodiscard]] bool wants(std::uint32_t functions) const noexcept {
    return (functions_ & functions) != 0;
  }
  Result<void> add_decimals(std::span<const std::int64_t> mantissas,
                            std::span<const std::uint8_t> scales);
  Result<void> add_decimals(std::span<const std::int64_t> mantissas, std::uint8_t scale);
  Result<void> add_text(std::string_view text);
  void add_extremes(const SentNumber& min, const SentNumber& max);
  Result<void> reserve_values(std::size_t count);
  template <class First, class Last>
  void take_ends(Moment first, const First& first_value, Moment last, const Last& last_value);

  static void keep(Kept& kept, Moment moment, const model::Value& value);
  static SentNumber number_of(const Kept& kept) noexcept { return {kept.decimal, kept.text}; }
  static AggregateValue value_of(const Kept& kept);

  std::uint32_t functions_;
  std::size_t* values_left_;
  std::size_t count_ = 0;
  std::size_t numbers_ = 0;
  std::size_t booleans_ = 0;
  std::size_t booleans_true_ = 0;
  DecimalSum sum_;
  Kept min_;
  Kept max_;
  Kept first_;
  Kept last_;
  Percentiles values_;
};

} // namespace spate::storage
