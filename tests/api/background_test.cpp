#include "api/background.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>

using namespace spate::api;

TEST_CASE("a stop waits for the job at hand, drops those behind it, and takes no more") {
  Background background(8);
  std::promise<void> started;
  std::promise<void> go_on;
  std::atomic<bool> finished{false};
  std::atomic<bool> dropped_ran{false};
  REQUIRE(background.submit([&] {
    started.set_value();
    go_on.get_future().wait();
    finished = true;
  }));
  started.get_future().wait();
  std::atomic<bool> gone{false};
  std::shared_ptr<int> held(new int(0), [&](const int* held_by_job) {
    delete held_by_job;
    gone = true;
  });
  REQUIRE(background.submit([&dropped_ran, held] { dropped_ran = true; }));
  held.reset();
  std::thread stopper([&] { background.stop(); });
  while (!gone) { // Dropped while the first job still runs.
    std::this_thread::yield();
  }
  CHECK_FALSE(finished);
  CHECK_FALSE(background.submit([&] { dropped_ran = true; }, true));
  go_on.set_value();
  stopper.join();
  CHECK(finished);
  CHECK_FALSE(dropped_ran);
  background.stop(); // Twice is once.
}
