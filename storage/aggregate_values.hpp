// Spate - arithmetic on numbers as they were sent: exact order, exact sums, percentiles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/row.hpp"

namespace spate::storage {

__extension__ typedef __int128 Int128;

/// A number as its text said it. `text` is empty for a decimal; else it is the number and borrows.
struct SentNumber {
  model::Decimal decimal;
  std::string_view text;
};

/// Below, equal or above 0 as `a` is less than, equal to or greater than `b`: exact for decimals
/// and texts of any length and exponent. 22.5 and 22.50 are equal, and so are -0 and 0. Scales are
/// at most model::kScaleMax.
[[nodiscard]] int compare(const SentNumber& a, const SentNumber& b) noexcept;

/// The text as it was sent.
void append_text(std::string& out, const SentNumber& number);

/// A sum of numbers, exact while it fits 38 digits; beyond that doubles are added.
class DecimalSum {
public:
  /// `part` * 10^-scale, the sum of some values; scale <= model::kScaleMax.
  void add(Int128 part, std::uint8_t scale) noexcept;
  void add_text(std::string_view text) noexcept;

  /// The shortest decimal text that is exactly the sum, or the shortest of its double where it is
  /// not exact. False, and nothing appended, if no double can hold it.
  bool append_sum(std::string& out) const;
  /// The double nearest to sum / count, as its shortest text. False as append_sum().
  bool append_mean(std::string& out, std::uint64_t count) const;

private:
  [[nodiscard]] long double value() const noexcept;

  Int128 exact_ = 0;
  std::uint8_t scale_ = 0;
  bool inexact_ = false;
  double rest_ = 0; ///< What is not in exact_.
};

/// Appends the shortest text that reads back as `value`. False if it is no finite number.
bool append_double(std::string& out, double value);

/// All values of a field in a bucket, for the ones in the middle.
class Percentiles {
public:
  void add(model::Decimal value) { decimals_.push_back(value); }
  void add_text(std::string_view text) { texts_.emplace_back(text); }
  [[nodiscard]] std::size_t size() const noexcept { return decimals_.size() + texts_.size(); }
  void clear() noexcept;

  /// Appends the value at the nearest rank: the smallest that at least `percent` % of all values do
  /// not exceed. There is a value; 0 < percent <= 100. Orders what it holds anew.
  void append(std::string& out, unsigned percent);

private:
  bool append_scaled(std::string& out, std::size_t rank);

  std::vector<model::Decimal> decimals_;
  std::vector<std::string> texts_;
  std::vector<std::int64_t> scaled_; ///< decimals_ at one scale, where they fit; else empty.
};

} // namespace spate::storage
