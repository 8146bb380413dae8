// Spate - the forms of a sequence of integers: the first byte says which.
#pragma once

namespace spate::columnar {

inline constexpr unsigned kFrame = 0;  ///< + width: smallest value, then what is above it.
inline constexpr unsigned kDelta = 65; ///< + width: first value, smallest difference, the rest.
inline constexpr unsigned kDelta2 =
    130; ///< + width: first, its difference, least change, the rest.
inline constexpr unsigned kFactor = 195; ///< Factor, first value; all differences to it divided.
inline constexpr unsigned kRuns = 196;   ///< How many runs, their values, their lengths less one.
inline constexpr unsigned kDictionary = 197; ///< How many words, they, then the word of each value.
inline constexpr unsigned kBins = 198;       ///< Smallest value; what is above it, as bins.
inline constexpr unsigned kBinsDelta = 199;  ///< First value; the same of the differences.
inline constexpr unsigned kBinsDelta2 = 200; ///< First, its difference; the same of the changes.
inline constexpr unsigned kShared = 201; ///< As kDictionary, but instead of the word of each value:
                                         ///< which other sequence tells it. Only at the top.

/// Sequences within a sequence, at most.
inline constexpr unsigned kDepthMax = 5;

} // namespace spate::columnar
