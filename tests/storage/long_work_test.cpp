// Spate - tests of the long work's thread alone: what it does when steps fail.
#include "storage/long_work.hpp"

#include <atomic>
#include <climits>
#include <mutex>
#include <thread>

#include "engine/base/uuid.hpp"
#include "tests/storage/live_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

namespace {

/// A directory whose committer meets damage when it is told to.
class WorkHost final : public LongWorkHost {
public:
  explicit WorkHost(LiveFixture& of) : of_(of) {}

  Result<void> on_committer(const std::function<void(LiveDirectory&)>& change) override {
    const std::scoped_lock lock(mutex_);
    if (healthy-- <= 0) {
      healthy = 0;
      ++tries;
      return fail(Errc::storage_corrupt, "a block can not be read");
    }
    change(*of_.live);
    if (auto built = of_.live->build({}, of_.now_ms); !built) {
      return built;
    }
    return of_.live->write().ok() ? Result<void>() : fail(Errc::storage_io, "not written");
  }
  Result<void> with_open(const std::function<Result<void>(LiveDirectory&)>& use) override {
    return use(*of_.live);
  }
  bool closing() const noexcept override { return false; }
  double background_cpu_max() const noexcept override { return 1; }
  std::int64_t now_ms() const override { return 1'700'000'000'000; }
  const std::string& name() const override { return of_.options.name; }

  std::atomic<int> healthy{INT_MAX}; ///< Turns until then.
  std::atomic<int> tries{0};

private:
  LiveFixture& of_;
  std::mutex mutex_;
};

struct WorkFixture : LiveFixture {
  UuidSource ids{1};
  WorkHost host{*this};

  WorkFixture() {
    options.name = dir.path();
    open();
    auto make = maker();
    make.message("d", now_ms).row(1, "1");
    commit(make);
  }
  Operation ended(const Uuid& id) {
    for (;;) {
      const auto operation = live->operations().find(id, host.now_ms());
      REQUIRE(operation);
      if (operation->ended()) {
        return *operation;
      }
      std::this_thread::yield();
    }
  }
};

} // namespace

TEST_SUITE("long work") {
  TEST_CASE("an erasure that meets damage fails, is counted, and is not tried at every turn") {
    WorkFixture f;
    EraseRequest request;
    request.operation = f.ids.next(1);
    request.device = "d";
    {
      LongWork work(f.host, {std::chrono::hours(1), std::chrono::hours(1)});
      f.host.healthy = 1; // The one that hides the records.
      REQUIRE(work.erase(request));
      const Operation failed = f.ended(request.operation);
      CHECK(failed.state == OperationState::failed);
      CHECK(failed.error == "a block can not be read");
      for (int i = 0; i < 5; ++i) { // Each is a turn, in which the erasure is looked at.
        const Uuid id = f.ids.next(2);
        REQUIRE(work.check(id));
        CHECK(f.ended(id).state == OperationState::succeeded);
      }
      CHECK(work.erasures_blocked() == 1);
      CHECK(f.host.tries == 1);
      CHECK(f.all("d").records.empty()); // Hidden all the same.
    }
    // A restart tries at once.
    LongWork work(f.host, {std::chrono::milliseconds(1), std::chrono::milliseconds(4)});
    while (f.host.tries < 5) {
      std::this_thread::yield();
    }
    CHECK(work.erasures_blocked() == 1);
    f.host.healthy = INT_MAX;
    while (!f.live->blocks().erasures().empty() || work.erasures_blocked() != 0) {
      std::this_thread::yield();
    }
  }
}
