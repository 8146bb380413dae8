// Spate - the version of the load generator.
#pragma once

#include <string_view>

namespace spate::loadgen {

#ifdef SPATE_VERSION
inline constexpr std::string_view kVersion = SPATE_VERSION;
#else
inline constexpr std::string_view kVersion = "unknown";
#endif

} // namespace spate::loadgen
