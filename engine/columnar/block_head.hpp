// Spate - what is known of a number or boolean column without decoding it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/bytes.hpp"
#include "engine/columnar/block.hpp"
#include "engine/columnar/numbers.hpp"

namespace spate::columnar {

/// Nothing if a value is a text, or where the sum does not fit.
[[nodiscard]] std::optional<ColumnHead> head_of(const NumberValues& values, std::size_t rows);
[[nodiscard]] std::optional<ColumnHead> head_of(const std::vector<std::uint8_t>& booleans,
                                                std::size_t rows);

void append_head(std::string& out, const ColumnHead& head);
/// False if the bytes make no sense.
[[nodiscard]] bool read_head(ByteReader& bytes, ColumnHead& head);

} // namespace spate::columnar
