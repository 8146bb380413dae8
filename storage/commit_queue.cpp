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
    rows_waiting_ +=
        block->rows.size() + 1; // One more: rejections and duplicates cost a commit too.
    waiting_.push_back(std::move(block));
    wake = rows_wanted_ != 0 && rows_waiting_ >= rows_wanted_;
    if (wake) {
      rows_wanted_ = 0;
    }
  }
  if (wake) {
    wake_.notify_one();
  }
}

void CommitQueue::take(Blocks& out, Clock::time_point until) {
  std::unique_lock lock(mutex_);
  const auto sleep = [&](std::size_t rows, Clock::time_point deadline) {
    rows_wanted_ = rows;
    wake_.wait_until(lock, deadline, [&] { return rows_waiting_ >= rows || poked_ || stopping_; });
    rows_wanted_ = 0;
  };
  if (rows_waiting_ == 0) {
    sleep(1, until);
  }
  if (rows_waiting_ > 0 && pace_.interval.count() > 0 &&
      Clock::now() < taken_at_ + pace_.interval) {
    sleep(pace_.rows_enough, taken_at_ + pace_.interval);
  }
  if (rows_waiting_ > 0) {
    taken_at_ = Clock::now();
    rows_waiting_ = 0;
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
  rows_waiting_ = 0;
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
