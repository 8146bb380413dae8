// Spate bench - a load of messages, and what storing it cost.
#pragma once

#include <cstdint>
#include <vector>

namespace spate::bench {

struct Load {
  std::uint32_t devices = 10'000;
  std::uint64_t messages = 10'000'000;
  std::uint32_t batch = 200;
  std::uint64_t tail_bytes_max = 256u << 20;
  std::uint64_t log_bytes_max = 192u << 20;
  std::uint64_t kept_log_bytes_max = 0; ///< Else bytes at rest are those of the log.
};

/// Of one process that stored the load. Trivially copyable: it comes through a pipe.
struct Cost {
  double cpu_us = 0;        ///< All threads, without the making of the messages.
  double commit_cpu_us = 0; ///< Of that until the last commit was done.
  double generating_us = 0;
  std::uint64_t fold_cpu_us = 0;
  std::uint64_t wal_bytes = 0;
  std::uint64_t flush_bytes = 0;
  std::uint64_t rewrite_bytes = 0; ///< By folds, merges and compactions.
  std::uint64_t io_bytes = 0;      ///< Sent to the block layer, says the kernel.
  std::uint64_t rest_bytes = 0;    ///< Of the directory when all is done.
  std::uint64_t rss_bytes_most = 0;
  std::uint64_t tail_bytes_most = 0;
  std::uint64_t blocks_sealed = 0;
};

/// Bytes written a message, of each.
[[nodiscard]] inline std::vector<double> written(const std::vector<Cost>& costs, const Load& load) {
  std::vector<double> bytes;
  for (const Cost& cost : costs) {
    bytes.push_back(static_cast<double>(cost.wal_bytes + cost.flush_bytes + cost.rewrite_bytes) /
                    static_cast<double>(load.messages));
  }
  return bytes;
}

} // namespace spate::bench
