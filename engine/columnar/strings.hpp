// Spate - a column of strings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.hpp"
#include "engine/columnar/integers.hpp"

namespace spate::columnar {

/// Appends the first `count` of `values`. Their number is not written: the reader knows it.
void encode_strings(IntegerEncoder& integers, const std::vector<std::string_view>& values,
                    std::size_t count, Effort effort, std::string& out);

/// Reads `count` strings, which borrow `bytes`. False if they make no sense.
[[nodiscard]] bool decode_strings(ByteReader& bytes, std::size_t count,
                                  std::vector<std::string_view>& out);

} // namespace spate::columnar
