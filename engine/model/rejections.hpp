// Spate - how the doors describe what they refuse: bounded in number and in size.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/telemetry_block.hpp"

namespace spate::model {

inline constexpr std::size_t kRejectionTextBytesMax = 256;
inline constexpr std::size_t kRejectionSampleBytesMax = 128;

/// The start of `bytes` as text that is safe to store and show: what is not printable ASCII becomes
/// a dot.
[[nodiscard]] inline std::string printable(std::string_view bytes) {
  std::string text(bytes.substr(0, kRejectionSampleBytesMax));
  for (char& c : text) {
    c = c >= 0x20 && c < 0x7f ? c : '.';
  }
  return text;
}

/// Of the rejections of one message, which begin at `first`, only so many are kept one by one. Past
/// `detailed_max`, one more of a reason that is among them is only counted there: then true.
[[nodiscard]] inline bool counted_with_another(std::vector<Rejection>& rejections,
                                               std::size_t first, std::size_t detailed_max,
                                               RejectReason reason) {
  if (rejections.size() - first < detailed_max) {
    return false;
  }
  const auto same =
      std::find_if(rejections.begin() + static_cast<std::ptrdiff_t>(first), rejections.end(),
                   [reason](const Rejection& other) { return other.reason == reason; });
  if (same == rejections.end()) {
    return false;
  }
  ++same->records;
  return true;
}

} // namespace spate::model
