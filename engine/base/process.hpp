// Spate - what the kernel says of this process.
#pragma once

#include <cstdint>

namespace spate {

/// Bytes of it in RAM; 0 if that can not be read.
[[nodiscard]] std::uint64_t resident_bytes();

} // namespace spate
