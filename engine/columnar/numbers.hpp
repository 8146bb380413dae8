// Spate - a column of numbers, each with its own decimal text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.hpp"
#include "engine/columnar/block.hpp"
#include "engine/columnar/integers.hpp"

namespace spate::columnar {

/// A number column as the rows of a block say it. A row that is a text has no mantissa: encoding
/// fills in what costs least.
struct NumberValues {
  std::vector<std::int64_t> mantissas;
  std::vector<std::uint8_t> scales;
  std::vector<std::uint32_t> text_rows; ///< Ascending.
  std::vector<std::string_view> texts;  ///< Of these rows; borrowed.
};

/// Appends the column of `rows` values; changes `values` on the way.
void encode_numbers(IntegerEncoder& integers, NumberValues& values, std::size_t rows, Effort effort,
                    std::string& out);

/// False if the bytes make no sense.
[[nodiscard]] bool decode_numbers(ByteReader& bytes, std::size_t rows, NumberColumn& out);

} // namespace spate::columnar
