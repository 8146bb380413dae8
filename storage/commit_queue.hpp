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

/// A sync costs as much for one row as for hundreds. Commits that follow each other are therefore
/// at least `interval` apart until `rows_enough` wait; a row that comes after a pause is not held
/// back.
struct CommitPace {
  std::chrono::microseconds interval{0};
  std::size_t rows_enough = 512;
};

/// Thread: submit(), bytes(), poke() and stop() from any thread; the rest is the committer's.
/// Order:  a sink gets its blocks back in the order in which it submitted them, refused ones too:
/// while the
///         queue refuses, submit() answers by itself, and refuse() answers all earlier ones before
///         that.
/// Limits: none of its own; submitters stop when bytes() passes their limit.
class CommitQueue {
public:
  using Clock = std::chrono::steady_clock;

  explicit CommitQueue(CommitPace pace = {}) : pace_(pace) {}

  void submit(std::unique_ptr<model::TelemetryBlock> block);
  /// Bytes of all blocks that were submitted and not answered.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return bytes_.load(std::memory_order_relaxed);
  }

  /// Appends all that wait to `out`; sleeps until something does, poke(), stop() or `until`. While
  /// less than CommitPace::rows_enough wait, takes are CommitPace::interval apart.
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

  const CommitPace pace_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Blocks waiting_;
  std::size_t rows_waiting_ = 0;
  std::size_t rows_wanted_ =
      0; ///< The committer sleeps until so many rows wait; 0 = it does not sleep.
  Clock::time_point taken_at_{};
  bool poked_ = false;
  bool refusing_ = false;
  model::CommitStatus refusal_ = model::CommitStatus::unavailable;
  std::string refusal_detail_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> bytes_{0};
};

} // namespace spate::storage
