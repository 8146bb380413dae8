// Spate - one thread of lower priority for reads that may wait for the disk.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace spate::api {

/// Thread: submit() from any; stop() by the owner.
class Background {
public:
  explicit Background(std::size_t waiting_max);
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  /// False if the queue is full: nothing is queued. `urgent` goes to the front and may pass the
  /// limit by a few.
  [[nodiscard]] bool submit(std::function<void()> job, bool urgent = false);
  /// Drops what waits, lets the job at hand finish, and takes nothing more: what jobs refer to may
  /// be destroyed afterwards.
  void stop();

private:
  void run();

  static constexpr std::size_t kUrgentExtra = 8;
  const std::size_t waiting_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace spate::api
