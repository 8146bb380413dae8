// Spate - entries on their way to the thread of the command log.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "storage/command_log.hpp"

namespace spate::storage {

struct WaitingEntry {
  std::uint64_t ticket = 0;
  CommandEntry entry;
  std::int64_t submitted_ns = 0;
  bool late = false; ///< Came after stop().
};
using WaitingEntries = std::vector<WaitingEntry>;

/// What it weighs while it waits.
[[nodiscard]] std::size_t weight_of(const CommandEntry& entry) noexcept;

/// Thread: submit(), poke(), stop() and the counts from any; the rest is the log's.
/// Pace:   what nobody waits for (updates without sync) wakes nobody up: it is taken with the next
///         entry that somebody waits for, or after kLinger. It mostly is overtaken by then.
/// Limits: entries and bytes that were taken count until they are done.
class CommandQueue {
public:
  using Clock = std::chrono::steady_clock;
  enum class Submitted { waits, full, closed };
  static constexpr std::chrono::milliseconds kLinger{5};

  CommandQueue(std::size_t entries_max, std::size_t bytes_max)
      : entries_max_(entries_max), bytes_max_(bytes_max) {}

  /// `closed`: the thread has ended, nothing was taken.
  [[nodiscard]] Submitted submit(std::uint64_t ticket, CommandEntry& entry, std::int64_t now_ns);
  void poke();
  void stop();
  [[nodiscard]] bool stopping() const;
  [[nodiscard]] std::size_t waiting() const;
  [[nodiscard]] std::int64_t oldest_ns() const;

  /// All that wait; sleeps until something does, poke(), stop() or `until`, and no longer than
  /// kLinger after a take() that brought something. After stop() it does not sleep.
  [[nodiscard]] WaitingEntries take(Clock::time_point until);
  [[nodiscard]] bool empty() const;
  /// The first `count` entries that were taken are answered; `oldest_ns` is that of the next one, 0
  /// if there is none.
  void done(std::size_t count, std::size_t bytes, std::int64_t oldest_ns);
  /// Ends the queue; `answer` gets what waits. Under the lock, so that nothing that comes later is
  /// answered before: it must not come back to the queue.
  template <class Answer>
  void close(Answer&& answer) {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    bytes_ = 0;
    answer(std::exchange(waiting_, {}));
  }

private:
  const std::size_t entries_max_;
  const std::size_t bytes_max_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  WaitingEntries waiting_;
  std::size_t taken_ = 0;
  std::size_t bytes_ = 0; ///< Of all, also of what was taken.
  std::int64_t taken_oldest_ns_ = 0;
  Clock::time_point sleeps_until_ = Clock::time_point::max();
  bool awaited_ = false; ///< Somebody waits for one of `waiting_`.
  bool lively_ = false;  ///< The last take() brought something: more is likely to come.
  bool poked_ = false;
  bool stopping_ = false;
  bool closed_ = false;
};

} // namespace spate::storage
