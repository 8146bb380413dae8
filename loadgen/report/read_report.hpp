// Spate - reads the document of a run again, for comparisons.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/histogram.hpp"
#include "engine/base/result.hpp"

namespace spate::loadgen {

/// A measured stretch of a timeline: a second, or several of a long run.
struct Stretch {
  double seconds = 1;
  std::uint64_t acked = 0;
  /// Its latencies by bucket of Histogram, those that hold something.
  std::vector<std::pair<std::uint32_t, std::uint64_t>> latency;
};

struct ReadRun {
  std::string name;     ///< Of the file.
  std::string scenario; ///< What was run, for comparing: name, load and what each cohort is.
  bool ok = false;
  bool saturated = false; ///< The generator was the bottleneck.
  double rate_per_s = 0;
  Histogram latency, service;
  std::optional<double> server_cpu_us, server_rss_bytes, generator_cpu_us;
  std::vector<Stretch> stretches;
};

inline constexpr std::size_t kReportBytesMax = std::size_t{512} << 20;
/// More seconds than this become longer stretches.
inline constexpr std::size_t kStretchesMax = 600;

/// Reads a document of report_json(), of this version or none newer. Error: malformed_payload with
/// what is wrong; `name` is for messages.
Result<ReadRun> parse_report(std::string_view text, const std::string& name);
/// Error: also file_unreadable.
Result<ReadRun> read_report(const std::string& path);

} // namespace spate::loadgen
