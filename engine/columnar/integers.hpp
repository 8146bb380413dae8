// Spate - a sequence of 64-bit integers as few bytes: the one codec that all columns are made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/base/bytes.hpp"

namespace spate::columnar {

/// Appends `count` values. Their number is not written: the reader knows it.
void encode_integers(const std::int64_t* values, std::size_t count, std::string& out);

/// Reads `count` values. False if the bytes make no sense; then `values` holds anything. The work
/// is in proportion to `count`.
[[nodiscard]] bool decode_integers(ByteReader& bytes, std::int64_t* values, std::size_t count);

} // namespace spate::columnar
