// Spate - blocks on their way to the committer of one data directory, and back as receipts.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/model/telemetry_block.hpp"

namespace spate::storage {

using Blocks = std::vector<std::unique_ptr<model::TelemetryBlock>>;

/// Thread: submit(), bytes(), poke() and stop() from any thread; the rest is the committer's.
/// Order:  a sink gets its blocks back in the order in which it submitted them, refused ones too:
/// while the
///         queue refuses, submit() answers by itself, and refuse() answers all earlier ones before
///         that.
/// Limits: none of its own; submitters stop when bytes() passes their limit.
class CommitQueue {
public:
  using Clock = std::chrono::steady_clock;

  void submit(std::unique_ptr<model::TelemetryBlock> block);
  /// Bytes of all blocks that were submitted and not answered.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return bytes_.load(std::memory_order_relaxed);
  }

  /// Appends all that wait to `out`; sleeps until something does, poke(), stop() or `until`.
  void take(Blocks& out, Clock::time_point until);
  /// Hands blocks back with this status, in their order; empties `blocks`.
  void answer(Blocks& blocks, model::CommitStatus status, const std::string& detail = {});

  /// From now on nothing is taken: answers `first`, then `second`, then all that wait.
  void refuse(Blocks& first, Blocks& second, model::CommitStatus status, std::string detail);
  void accept();

  /// Ends the committer's sleep.
  void poke();
  void stop();
  [[nodiscard]] bool stopping() const noexcept { return stopping_.load(std::memory_order_relaxed); }

private:
  void hand_back(std::unique_ptr<model::TelemetryBlock> block, model::CommitStatus status,
                 const std::string& detail);

  std::mutex mutex_;
  std::condition_variable wake_;
  Blocks waiting_;
  bool sleeping_ = false;
  bool poked_ = false;
  bool refusing_ = false;
  model::CommitStatus refusal_ = model::CommitStatus::unavailable;
  std::string refusal_detail_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> bytes_{0};
};

} // namespace spate::storage
