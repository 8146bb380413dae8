// Spate - a column of strings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.hpp"

namespace spate::columnar {

/// Appends `values`, at least one. Their number is not written: the reader knows it.
void encode_strings(const std::vector<std::string_view>& values, std::string& out);

/// Reads `count` strings, which borrow `bytes`. False if they make no sense.
[[nodiscard]] bool decode_strings(ByteReader& bytes, std::size_t count,
                                  std::vector<std::string_view>& out);

} // namespace spate::columnar
