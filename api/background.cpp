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
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    dropped.swap(jobs_);
  }
  dropped.clear();
  wake_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
}

bool Background::submit(std::function<void()> job, bool urgent) {
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_ || jobs_.size() >= waiting_max_ + (urgent ? kUrgentExtra : 0)) {
      return false;
    }
    if (urgent) {
      jobs_.push_front(std::move(job));
    } else {
      jobs_.push_back(std::move(job));
    }
  }
  wake_.notify_one();
  return true;
}

void Background::run() {
  name_this_thread("queries");
  // On Linux priority is a thread's own. Telemetry and commands go before queries.
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNice);
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) {
      return;
    }
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

} // namespace spate::api
