// Spate - writes a ledger beside the load.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/base/result.hpp"
#include "loadgen/load/device_names.hpp"
#include "loadgen/proof/ledger_block.hpp"

namespace spate::loadgen {

/// Writes the blocks that threads hand over, in their order, on a thread of its own, so that a slow
/// disk does not disturb the schedule (until kQueuedBytesMax are waiting; then write() waits).
///
/// Thread:     any, also several at once.
/// Durability: what finish() confirmed was written to the file; it is not synced: the ledger is to
///             outlive the server, not the machine that it runs on.
/// Failure:    after a fault (a full disk) nothing more is written, since a gap in the middle would
///             not be noticed; calls go on at once, and finish() tells. The file has no end block.
class LedgerWriter {
public:
  static constexpr std::size_t kQueuedBytesMax = std::size_t{64} << 20;

  /// Creates or truncates the file. Error: file_unreadable.
  static Result<std::unique_ptr<LedgerWriter>> create(const std::string& path);
  ~LedgerWriter();
  LedgerWriter(const LedgerWriter&) = delete;
  LedgerWriter& operator=(const LedgerWriter&) = delete;

  /// Names the devices of a cohort: 0, 1, ... of `names`. Gives its number, for LedgerLines.
  /// Before the records of its devices.
  std::uint32_t add_cohort(std::string_view name, const DeviceNames& names);
  /// Adds devices to a cohort, behind those that it has. Before their records.
  void add_devices(std::uint32_t cohort, const std::vector<std::string>& names);
  void write(LedgerBlock block);
  /// Blocks without records: names.
  void write_names(std::string blocks);

  /// A fault came: what is written from now on is lost.
  [[nodiscard]] bool failed() const noexcept { return failed_.load(std::memory_order_relaxed); }
  /// Writes what is queued and the end block, closes, and tells whether all of it reached the file.
  /// A writer that is not finish()ed leaves no end block. Once, and nothing after it.
  /// Error: file_unreadable, "the ledger could not be written: ...".
  Result<void> finish();

private:
  LedgerWriter(std::string path, int file);
  void enqueue(std::unique_lock<std::mutex>& lock, std::string bytes);
  void run();
  void write_now(std::string_view bytes);
  void stop(bool whole);

  const std::string path_;
  const int file_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> queue_;
  std::size_t queued_bytes_ = 0;
  std::uint32_t cohorts_ = 0;
  std::uint64_t records_ = 0, blocks_ = 0;
  bool stopping_ = false;
  bool whole_ = false; ///< Ends with the end block.
  std::atomic<bool> failed_{false};
  std::string fault_; ///< Of the thread while it runs.
  std::thread thread_;
};

} // namespace spate::loadgen
