// Spate - histograms as HdrHistogram's tools read and write them.
//
// The V2 compressed encoding: a header, the counts by bucket as zigzag varints with runs of zeros,
// deflated, and for texts base64. What it does not hold are the exact least and largest value and
// the sum: they are those of the buckets (Histogram::refine() puts them right where they are
// known).
#pragma once

#include <string>
#include <string_view>

#include "engine/base/histogram.hpp"
#include "engine/base/result.hpp"

namespace spate::loadgen {

/// Limits of what is read; a text above them is refused before it is unpacked.
inline constexpr std::size_t kHdrTextBytesMax = std::size_t{1} << 20;
inline constexpr std::size_t kHdrCountsBytesMax = std::size_t{4} << 20;

/// The V2 compressed encoding of `histogram`, as bytes.
[[nodiscard]] std::string hdr_bytes(const Histogram& histogram);
/// The same in base64: "HISTFAAA...". Of an empty histogram as well.
[[nodiscard]] std::string hdr_base64(const Histogram& histogram);

/// Reads what hdr_base64() or another HdrHistogram wrote. Histograms of other precision are taken
/// into our buckets by the upper ends of theirs; values above Histogram::kLargest count as it.
/// Error: malformed_payload.
Result<Histogram> read_hdr_bytes(std::string_view bytes);
Result<Histogram> read_hdr_base64(std::string_view text);

} // namespace spate::loadgen
