// Spate - a recorded load: read ahead by a thread, sent at the recorded times divided by the speed.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "loadgen/load/load.hpp"
#include "loadgen/load/replay_file.hpp"

namespace spate::loadgen {

struct ReplayItem {
  std::uint32_t device = 0;   ///< Index within the group.
  std::int64_t offset_ns = 0; ///< Due that long after the start.
  std::int64_t ts = 0;
  std::uint64_t hash = 0;
  std::string text;
};

/// Hands items from the reader to a group, at most kItemsMax at a time. Thread-safe.
class ReplayQueue {
public:
  static constexpr std::size_t kItemsMax = 16'384;

  /// Waits for room. False if nobody takes items any more.
  bool push(std::vector<ReplayItem>& items);
  /// Takes everything; false if there is nothing now.
  bool pop_all(std::vector<ReplayItem>& items);
  /// No more will be pushed.
  void end();
  /// No more will be taken.
  void close();
  [[nodiscard]] bool ended() const;

private:
  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::vector<ReplayItem> items_;
  bool ended_ = false;
  bool closed_ = false;
};

/// The load of one group.
class ReplayLoad final : public Load, private Payloads {
public:
  /// Borrows `queue`. Without `paced` messages go out as fast as the windows take them.
  ReplayLoad(ReplayQueue& queue, bool paced) : queue_(queue), paced_(paced) {}

  [[nodiscard]] Payloads& payloads() noexcept override { return *this; }
  void begin(std::int64_t start_ns) override { start_ns_ = start_ns; }
  void stop_at(std::int64_t end_ns) override;
  [[nodiscard]] std::int64_t next_ns() override;
  Due take(std::int64_t now_ns, std::int64_t wall_ms) override;
  [[nodiscard]] bool ended() const override;
  [[nodiscard]] std::uint64_t left() const override;

private:
  struct Text {
    std::string text;
    std::uint64_t hash = 0;
  };
  [[nodiscard]] std::int64_t due_ns(const ReplayItem& item) const noexcept {
    return paced_ ? start_ns_ + item.offset_ns : kAtOnce;
  }
  [[nodiscard]] std::string_view text(const Message& message) override;
  [[nodiscard]] std::uint64_t hash(const Message& message) override;
  void release(const Message& message) override;

  ReplayQueue& queue_;
  const bool paced_;
  std::vector<ReplayItem> items_; ///< Taken from the queue; those before next_ are used.
  std::size_t next_ = 0;
  std::vector<Text> texts_; ///< Of messages that are not answered yet; freed places are used again.
  std::vector<std::uint32_t> free_;
  std::int64_t start_ns_ = 0;
  std::int64_t end_ns_ = kNever;
};

struct ReplayPlan {
  std::string path;
  double speed = 1; ///< 0: as fast as possible.
  bool loop = false;
  bool shift_to_now = false;
  ReplayForm form = ReplayForm::flat;
  std::int64_t start_wall_ms = 0; ///< What shift_to_now shifts to.
};

/// Reads the file on a thread of its own and feeds device n of the index to queue n modulo their
/// number.
class ReplayReader {
public:
  /// Borrows `index` and `queues`.
  ReplayReader(ReplayPlan plan, const ReplayIndex& index, std::vector<ReplayQueue>& queues);
  ~ReplayReader();
  ReplayReader(const ReplayReader&) = delete;
  ReplayReader& operator=(const ReplayReader&) = delete;

  /// Ends reading soon; queues that wait for room are released.
  void stop();
  /// Why it ended early; empty if it did not. Call after stop() or the end.
  [[nodiscard]] std::string fault() const;

private:
  void run();
  Result<void> read_once(std::uint64_t round);
  bool push_all();
  Result<bool> add(const ReplayLine& line, std::uint64_t round);

  const ReplayPlan plan_;
  const ReplayIndex& index_;
  std::vector<ReplayQueue>& queues_;
  std::vector<std::vector<ReplayItem>> batches_; ///< By queue.
  std::vector<std::int64_t> last_ts_;            ///< By device, for shift_to_now.
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::string fault_;
  std::thread thread_;
};

} // namespace spate::loadgen
