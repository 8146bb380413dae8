// When the committer takes what waits.
#include <thread>

#include "storage/commit_queue.hpp"
#include "tests/storage/store_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;
using namespace std::chrono_literals;

namespace {

struct QueueFixture {
  explicit QueueFixture(CommitPace pace) : queue(pace) {}

  void submit(int rows) {
    make.message("d", 1);
    for (int i = 0; i < rows; ++i) {
      make.row(i, "1");
    }
    queue.submit(make.take(model::ShardId{}, receipts));
  }
  /// How many blocks it gives at once.
  std::size_t take() {
    Blocks blocks;
    queue.take(blocks, CommitQueue::Clock::now() + 1h);
    const std::size_t count = blocks.size();
    queue.answer(blocks, model::CommitStatus::committed);
    return count;
  }

  model::ShapeTable shapes;
  BlockMaker make{shapes};
  Receipts receipts;
  CommitQueue queue;
};

} // namespace

TEST_SUITE("commit queue") {
  TEST_CASE("a row after a pause is taken at once, the next ones share a commit") {
    QueueFixture f({.interval = 1h, .rows_enough = 10});
    f.submit(1);
    CHECK(f.take() == 1);
    f.submit(1);
    std::thread sender([&] {
      std::this_thread::sleep_for(20ms); // So that a queue that does not wait is found out.
      f.submit(1);
      f.submit(20);
    });
    CHECK(f.take() == 3);
    sender.join();
  }

  TEST_CASE("without an interval nothing is held back") {
    QueueFixture f({.interval = 0us, .rows_enough = 10});
    for (int i = 0; i < 3; ++i) {
      f.submit(1);
      CHECK(f.take() == 1);
    }
  }

  TEST_CASE("what was submitted before the stop is still taken, without waiting") {
    QueueFixture f({.interval = 1h, .rows_enough = 10});
    f.submit(1);
    CHECK(f.take() == 1);
    f.submit(1);
    f.queue.stop();
    CHECK(f.take() == 1);
    CHECK(f.queue.stopping());
  }
}
