#include "storage/commit_queue.hpp"

#include <utility>

namespace spate::storage {

void CommitQueue::submit(std::unique_ptr<model::TelemetryBlock> block) {
  bytes_.fetch_add(block->bytes(), std::memory_order_relaxed);
  bool wake = false;
  {
    std::unique_lock lock(mutex_);
    if (refusing_) {
      const auto status = refusal_;
      const std::string detail = refusal_detail_;
      lock.unlock();
      hand_back(std::move(block), status, detail);
      return;
    }
    waiting_.push_back(std::move(block));
    wake = std::exchange(sleeping_, false);
  }
  if (wake) {
    wake_.notify_one();
  }
}

void CommitQueue::take(Blocks& out, Clock::time_point until) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return !waiting_.empty() || poked_ || stopping_; };
  if (!ready()) {
    sleeping_ = true;
    wake_.wait_until(lock, until, ready);
    sleeping_ = false;
  }
  poked_ = false;
  if (out.empty()) {
    out.swap(waiting_);
    return;
  }
  for (auto& block : waiting_) {
    out.push_back(std::move(block));
  }
  waiting_.clear();
}

void CommitQueue::answer(Blocks& blocks, model::CommitStatus status, const std::string& detail) {
  for (auto& block : blocks) {
    hand_back(std::move(block), status, detail);
  }
  blocks.clear();
}

void CommitQueue::refuse(Blocks& first, Blocks& second, model::CommitStatus status,
                         std::string detail) {
  // Under the lock, so that no later block of a sink is answered before its earlier ones.
  const std::scoped_lock lock(mutex_);
  refusing_ = true;
  refusal_ = status;
  refusal_detail_ = std::move(detail);
  answer(first, status, refusal_detail_);
  answer(second, status, refusal_detail_);
  answer(waiting_, status, refusal_detail_);
}

void CommitQueue::accept() {
  const std::scoped_lock lock(mutex_);
  refusing_ = false;
}

void CommitQueue::poke() {
  {
    const std::scoped_lock lock(mutex_);
    poked_ = true;
  }
  wake_.notify_one();
}

void CommitQueue::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
}

void CommitQueue::hand_back(std::unique_ptr<model::TelemetryBlock> block,
                            model::CommitStatus status, const std::string& detail) {
  bytes_.fetch_sub(block->bytes(), std::memory_order_relaxed);
  block->status = status;
  block->status_detail = detail;
  model::ReceiptSink* sink = block->sink;
  sink->on_receipt(std::move(block));
}

} // namespace spate::storage
