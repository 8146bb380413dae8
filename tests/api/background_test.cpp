#include "api/background.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
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
  CHECK_FALSE(background.submit([&] { dropped_ran = true; }, Background::Queue::urgent));
  CHECK_FALSE(background.submit([&] { dropped_ran = true; }, Background::Queue::part));
  go_on.set_value();
  stopper.join();
  CHECK(finished);
  CHECK_FALSE(dropped_ran);
  background.stop(); // Twice is once.
}

TEST_CASE("parts of long work take turns with each other and with what is short") {
  Background background(3);
  std::promise<void> started;
  std::promise<void> go_on;
  std::promise<void> done;
  std::string order;
  REQUIRE(background.submit([&] {
    started.set_value();
    go_on.get_future().wait();
  }));
  started.get_future().wait();
  const auto add = [&](char name, Background::Queue queue) {
    return background.submit(
        [&order, &done, name] {
          order.push_back(name);
          if (order.size() == 6) {
            done.set_value();
          }
        },
        queue);
  };
  using Queue = Background::Queue;
  for (const char name : {'1', '2', '3'}) {
    REQUIRE(add(name, Queue::part));
  }
  for (const char name : {'a', 'b', 'c'}) {
    REQUIRE(add(name, Queue::normal));
  }
  CHECK_FALSE(add('d', Queue::normal)); // Only these count.
  go_on.set_value();
  done.get_future().wait();
  CHECK(order == "1a2b3c");
}
