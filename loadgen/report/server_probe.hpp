// Spate - one look at a server from outside: CPU, memory, descriptors and counters of its own.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "engine/base/result.hpp"

namespace spate::loadgen {

struct ServerSample {
  std::int64_t at_ns = 0;      ///< steady_ns() of the look; set by who looks.
  double cpu_s = 0;            ///< Used since the server started.
  std::uint64_t rss_bytes = 0; ///< Resident memory.
  std::uint64_t open_fds = 0;  ///< Descriptors, sockets among them; 0 = unknown.
  std::map<std::string, double> counters;
};

/// Where samples come from. Thread: one at a time.
class ServerProbe {
public:
  virtual ~ServerProbe() = default;
  /// Errors: connect_failed, malformed_payload, file_unreadable (a process that has ended).
  virtual Result<ServerSample> sample() = 0;
  /// "process 4711", "http://127.0.0.1:8080/metrics".
  [[nodiscard]] virtual std::string source() const = 0;
};

inline constexpr std::size_t kServerPidsMax = 64;
inline constexpr std::size_t kServerCountersMax = 64;

/// The sum over processes of this machine, by /proc. Error: usage, if one is not there or hidden.
Result<std::unique_ptr<ServerProbe>> probe_processes(std::vector<pid_t> pids);
/// Prometheus text over HTTP. `counters` names series whose sums over all labels are kept as well.
/// Error: usage, if the URL is none. Whether the server answers shows with the first sample.
Result<std::unique_ptr<ServerProbe>> probe_metrics(std::string url,
                                                   std::vector<std::string> counters);

inline constexpr std::size_t kMetricsBytesMax = std::size_t{16} << 20;

/// Reads the Prometheus text format: process_cpu_seconds_total, process_resident_memory_bytes,
/// process_open_fds and `counters`. Lines of other series are skipped. Error: malformed_payload
/// without the CPU seconds, which everything is measured by.
Result<ServerSample> parse_metrics(std::string_view text, const std::vector<std::string>& counters);

} // namespace spate::loadgen
