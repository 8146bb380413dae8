// Spate - a column of numbers, each with its own decimal text.
#pragma once

#include <cstdint>
#include <optional>
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

/// Columns of a block whose values come and go together, such as what is computed from one reading:
/// the later ones need not say again which row holds which of their values.
class SharedIndexes {
public:
  void clear() noexcept { count_ = 0; }
  /// The field whose column has these indexes, or nothing; then `field` is remembered for them.
  std::optional<std::uint64_t> find_or_add(const std::vector<std::int64_t>& indexes,
                                           std::uint64_t field);

private:
  struct Known {
    std::uint64_t hash;
    std::uint64_t field;
    std::vector<std::int64_t> indexes;
  };
  std::vector<Known> known_; ///< The first count_; the others keep their memory.
  std::size_t count_ = 0;
};

/// Appends the column of `rows` values of `field`; changes `values` on the way.
void encode_numbers(IntegerEncoder& integers, SharedIndexes& shared, std::uint64_t field,
                    NumberValues& values, std::size_t rows, Effort effort, std::string& out);

/// False if the bytes make no sense. `fields`: the columns of all fields, from its first on.
[[nodiscard]] bool decode_numbers(ByteReader& bytes, std::size_t rows,
                                  const std::string_view* fields, std::size_t field_count,
                                  NumberColumn& out);

} // namespace spate::columnar
