#include "api/background.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "engine/base/thread.hpp"

namespace spate::api {

namespace {
constexpr int kNice = 10;
} // namespace

Background::Background(std::size_t waiting_max)
    : waiting_max_(waiting_max), thread_([this] { run(); }) {}

Background::~Background() {
  stop();
}

void Background::stop() {
  std::deque<std::function<void()>> dropped; // Jobs own things: destroyed without the lock.
  std::deque<std::function<void()>> dropped_parts;
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    dropped.swap(jobs_);
    dropped_parts.swap(parts_);
  }
  dropped.clear();
  dropped_parts.clear();
  wake_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
}

bool Background::submit(std::function<void()> job, Queue queue) {
  {
    const std::scoped_lock lock(mutex_);
    const bool urgent = queue == Queue::urgent;
    if (stopping_) {
      return false;
    }
    if (queue == Queue::part) {
      parts_.push_back(std::move(job));
    } else if (jobs_.size() >= waiting_max_ + (urgent ? kUrgentExtra : 0)) {
      return false;
    } else if (urgent) {
      jobs_.push_front(std::move(job));
    } else {
      jobs_.push_back(std::move(job));
    }
  }
  wake_.notify_one();
  return true;
}

std::function<void()> Background::take() {
  auto& from = jobs_.empty() || (part_is_next_ && !parts_.empty()) ? parts_ : jobs_;
  part_is_next_ = &from == &jobs_;
  std::function<void()> job = std::move(from.front());
  from.pop_front();
  return job;
}

void Background::run() {
  name_this_thread("queries");
  // On Linux priority is a thread's own. Telemetry and commands go before queries.
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNice);
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty() || !parts_.empty(); });
    if (stopping_) {
      return;
    }
    std::function<void()> job = take();
    lock.unlock();
    job();
    job = nullptr; // What it owns goes without the lock.
    lock.lock();
  }
}

} // namespace spate::api
