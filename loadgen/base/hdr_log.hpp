// Spate - interval logs of HdrHistogram (.hlog): one histogram for each second or other stretch.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/histogram.hpp"
#include "engine/base/result.hpp"

namespace spate::loadgen {

/// One line of the log. Values are nanoseconds.
struct HdrInterval {
  std::string tag;    ///< Empty: none. What series it is of.
  double start_s = 0; ///< Since the start of the log.
  double length_s = 0;
  Histogram values;
};

/// The lines before the first interval; times of the intervals count from `start_ms` (epoch).
[[nodiscard]] std::string hdr_log_header(std::int64_t start_ms, std::string_view comment);
/// One line of the log with its end. Bytes of `tag` that would break the line become '_'. The
/// column of the largest value is in milliseconds, as HdrHistogram's tools have it.
void put_hdr_interval(std::string& out, std::string_view tag, double start_s, double length_s,
                      std::uint64_t max_ns, std::string_view base64);

/// Reads a log line by line.
class HdrLogReader {
public:
  /// Puts the interval of `line` into `to`; false for a line that holds none (comments, titles).
  /// Error: malformed_payload.
  Result<bool> line(std::string_view line, HdrInterval& to);
  /// Of the header, 0 if it has none.
  [[nodiscard]] double start_epoch_s() const noexcept { return start_epoch_s_; }

private:
  double start_epoch_s_ = 0;
};

} // namespace spate::loadgen
