#include "storage/command_queue.hpp"

#include <algorithm>

namespace spate::storage {

namespace {

bool is_awaited(const CommandEntry& entry) noexcept {
  const auto* update = std::get_if<CommandUpdate>(&entry);
  return update == nullptr || update->sync;
}

} // namespace

std::size_t weight_of(const CommandEntry& entry) noexcept {
  std::size_t bytes = sizeof(WaitingEntry);
  if (const auto* creation = std::get_if<CommandCreation>(&entry)) {
    bytes += creation->command.args.size() + creation->idempotency_key.size();
  } else if (const auto* update = std::get_if<CommandUpdate>(&entry)) {
    bytes += update->progress.result.size() + update->progress.reason.size();
  }
  return bytes;
}

CommandQueue::Submitted CommandQueue::submit(std::uint64_t ticket, CommandEntry& entry,
                                             std::int64_t now_ns) {
  const std::size_t bytes = weight_of(entry);
  bool wakes = is_awaited(entry);
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) {
      return Submitted::closed;
    }
    if (waiting_.size() + taken_ >= entries_max_ || (bytes_ != 0 && bytes_ + bytes > bytes_max_)) {
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

void CommandQueue::poke() {
  {
    const std::scoped_lock lock(mutex_);
    poked_ = true;
  }
  wake_.notify_one();
}

void CommandQueue::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
}

bool CommandQueue::stopping() const {
  const std::scoped_lock lock(mutex_);
  return stopping_;
}

std::size_t CommandQueue::waiting() const {
  const std::scoped_lock lock(mutex_);
  return waiting_.size() + taken_;
}

std::int64_t CommandQueue::oldest_ns() const {
  const std::scoped_lock lock(mutex_);
  if (taken_ != 0) {
    return taken_oldest_ns_;
  }
  return waiting_.empty() ? 0 : waiting_.front().submitted_ns;
}

WaitingEntries CommandQueue::take(Clock::time_point until) {
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

bool CommandQueue::empty() const {
  const std::scoped_lock lock(mutex_);
  return waiting_.empty();
}

void CommandQueue::done(std::size_t count, std::size_t bytes, std::int64_t oldest_ns) {
  const std::scoped_lock lock(mutex_);
  taken_ -= count;
  bytes_ -= bytes;
  taken_oldest_ns_ = oldest_ns;
}

} // namespace spate::storage
