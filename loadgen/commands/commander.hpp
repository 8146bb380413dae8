// Spate - the thread that posts commands over HTTP beside a running fleet.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "loadgen/commands/command_load.hpp"
#include "loadgen/fleet/fleet.hpp"

namespace spate::loadgen {

struct CommanderPlan {
  std::string base;                 ///< "http://127.0.0.1:8080".
  std::vector<std::string> devices; ///< Ids.
  std::string body;                 ///< JSON: the request, the same for all.
  int wait_s = 10;                  ///< Prefer: wait=N.
  std::uint32_t connections = 64;   ///< Open from the start,
  std::uint32_t connections_max = 1024;
  bool precise = false; ///< Keep a core busy instead of sleeping up to the schedule.
  CommandLoadPlan load;
};

struct CommanderResult {
  CommandStats stats;
  double cpu_s = 0;  ///< Of its thread, from begin to end.
  double wait_s = 0; ///< Ready to run and without a core.
  double seconds = 0;
  std::uint64_t connections = 0; ///< Opened in all.
  bool raised = false;           ///< The thread was allowed a higher priority.
};

/// Posts commands with libcurl's multi interface: one request at a time on a connection, which is
/// kept open; a free one is taken first, and another is opened if none is free.
///
/// Thread: its own from start() on; the calls may come from any one other thread. status() from
/// any.
class Commander final : public Companion {
public:
  explicit Commander(CommanderPlan plan);
  ~Commander() override;

  /// Opens the connections. Error: connect_failed, if nobody answers there.
  Result<void> open();
  void begin(std::int64_t start_ns, std::int64_t measure_from_ns, std::int64_t end_ns,
             Expecting& expecting) override;
  /// Ends the thread.
  void release() override;
  void stop(std::int64_t end_ns) override;
  [[nodiscard]] bool drained() const override;
  /// Counts commands under way as lost. Once, after release().
  CommanderResult finish();

  struct Progress {
    std::uint64_t posted, succeeded, failed, in_flight;
  };
  [[nodiscard]] Progress progress() const noexcept;

private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

} // namespace spate::loadgen
