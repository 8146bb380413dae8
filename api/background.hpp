// Spate - one thread of lower priority for reads that may wait for the disk.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
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

  enum class Queue : std::uint8_t {
    normal,
    urgent, ///< Goes to the front and may pass the limit by a few.
    /// A part of longer work. Takes turns with the rest, one by one, and has no limit here: who
    /// submits these has one.
    part,
  };
  /// False if the queue is full, or it stops: nothing is queued.
  [[nodiscard]] bool submit(std::function<void()> job, Queue queue = Queue::normal);
  /// Drops what waits, lets the job at hand finish, and takes nothing more: what jobs refer to may
  /// be destroyed afterwards.
  void stop();

private:
  void run();
  [[nodiscard]] std::function<void()> take();

  static constexpr std::size_t kUrgentExtra = 8;
  const std::size_t waiting_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  std::deque<std::function<void()>> parts_;
  bool part_is_next_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace spate::api
