// Spate - entries on their way to the thread of a small database of its own.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace spate::storage {

template <class Entry>
struct Waiting {
  std::uint64_t ticket = 0;
  Entry entry;
  std::int64_t submitted_ns = 0;
  bool late = false; ///< Came after stop().
};

/// Beside `Entry` stand weight_of(entry), in bytes, and is_awaited(entry): somebody waits for it.
///
/// Thread: submit(), poke(), stop() and the counts from any; the rest is the database's.
/// Pace:   what nobody waits for wakes nobody up: it is taken with the next entry that somebody
///         waits for, or after kLinger. It mostly is overtaken by then.
/// Limits: entries and bytes that were taken count until they are done. What frees something is
///         taken all the same.
template <class Entry>
class WaitingQueue {
public:
  using Clock = std::chrono::steady_clock;
  using Entries = std::vector<Waiting<Entry>>;
  enum class Submitted { waits, full, closed };
  static constexpr std::chrono::milliseconds kLinger{5};

  WaitingQueue(std::size_t entries_max, std::size_t bytes_max)
      : entries_max_(entries_max), bytes_max_(bytes_max) {}

  /// `closed`: the thread has ended, nothing was taken.
  [[nodiscard]] Submitted submit(std::uint64_t ticket, Entry& entry, std::int64_t now_ns) {
    const std::size_t bytes = weight_of(entry);
    bool wakes = is_awaited(entry);
    {
      const std::scoped_lock lock(mutex_);
      if (closed_) {
        return Submitted::closed;
      }
      if (!frees(entry) && (waiting_.size() + taken_ >= entries_max_ ||
                            (bytes_ != 0 && bytes_ + bytes > bytes_max_))) {
        return Submitted::full;
      }
      bytes_ += bytes;
      waiting_.push_back({ticket, std::move(entry), now_ns, stopping_});
      wakes = wakes || sleeps_until_ > Clock::now() + kLinger;
      awaited_ = awaited_ || wakes;
    }
    if (wakes) {
      wake_.notify_one();
    }
    return Submitted::waits;
  }
  void poke() {
    {
      const std::scoped_lock lock(mutex_);
      poked_ = true;
    }
    wake_.notify_one();
  }
  void stop() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
  }
  [[nodiscard]] bool stopping() const {
    const std::scoped_lock lock(mutex_);
    return stopping_;
  }
  [[nodiscard]] std::size_t waiting() const {
    const std::scoped_lock lock(mutex_);
    return waiting_.size() + taken_;
  }
  [[nodiscard]] std::int64_t oldest_ns() const {
    const std::scoped_lock lock(mutex_);
    if (taken_ != 0) {
      return taken_oldest_ns_;
    }
    return waiting_.empty() ? 0 : waiting_.front().submitted_ns;
  }

  /// All that wait; sleeps until something does, poke(), stop() or `until`, and no longer than
  /// kLinger after a take() that brought something. After stop() it does not sleep.
  [[nodiscard]] Entries take(Clock::time_point until) {
    std::unique_lock lock(mutex_);
    sleeps_until_ = lively_ ? std::min(until, Clock::now() + kLinger) : until;
    wake_.wait_until(lock, sleeps_until_, [this] { return awaited_ || poked_ || stopping_; });
    sleeps_until_ = Clock::time_point::min(); // Awake: it looks before it sleeps again.
    lively_ = !waiting_.empty();
    awaited_ = poked_ = false;
    taken_ = waiting_.size();
    taken_oldest_ns_ = waiting_.empty() ? 0 : waiting_.front().submitted_ns;
    return std::exchange(waiting_, {});
  }
  [[nodiscard]] bool empty() const {
    const std::scoped_lock lock(mutex_);
    return waiting_.empty();
  }
  /// The first `count` entries that were taken are answered; `oldest_ns` is that of the next one, 0
  /// if there is none.
  void done(std::size_t count, std::size_t bytes, std::int64_t oldest_ns) {
    const std::scoped_lock lock(mutex_);
    taken_ -= count;
    bytes_ -= bytes;
    taken_oldest_ns_ = oldest_ns;
  }
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
  Entries waiting_;
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
