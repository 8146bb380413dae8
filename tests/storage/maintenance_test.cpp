// The catalog, and the maintenance thread beside a committer.
#include <thread>

#include "tests/storage/fold_fixture.hpp"

namespace spate::storage::test {

namespace {
constexpr std::int64_t kStart = 1'700'000'000'000'000'000;

std::vector<TestRow> rows_at(std::int64_t time_ns, int count) {
  std::vector<TestRow> rows;
  for (int i = 0; i < count; ++i) {
    rows.push_back({time_ns + i, i, model::TsSource::device, number_values(std::to_string(i))});
  }
  return rows;
}
} // namespace

TEST_CASE("a run's description comes back from its bytes, and a cut one is refused") {
  Run run;
  run.number = 77;
  run.retention_class = 3;
  run.level = 2;
  run.from_ns = INT64_MIN;
  run.to_ns = INT64_MAX;
  run.first_time_ns = -5;
  run.last_time_ns = INT64_MAX - 1;
  run.last_received_ms = 1'700'000'000'000;
  run.last_sequence = 12;
  run.erased_through = 4;
  run.blocks = 5;
  run.late_blocks = 1;
  run.rows = 1u << 20;
  run.readings = 4u << 20;
  run.bytes = 999;
  std::string bytes;
  encode(run, bytes);
  const auto back = decode_run(77, bytes);
  REQUIRE(back);
  CHECK(back->number == 77);
  CHECK(back->retention_class == 3);
  CHECK(back->level == 2);
  CHECK(back->from_ns == run.from_ns);
  CHECK(back->to_ns == run.to_ns);
  CHECK(back->first_time_ns == run.first_time_ns);
  CHECK(back->last_time_ns == run.last_time_ns);
  CHECK(back->last_received_ms == run.last_received_ms);
  CHECK(back->last_sequence == run.last_sequence);
  CHECK(back->erased_through == run.erased_through);
  CHECK(back->blocks == run.blocks);
  CHECK(back->late_blocks == run.late_blocks);
  CHECK(back->rows == run.rows);
  CHECK(back->readings == run.readings);
  CHECK(back->bytes == run.bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(decode_run(77, std::string_view(bytes).substr(0, size)));
  }
  CHECK_FALSE(decode_run(77, bytes + "x"));
  bytes[0] = 9;
  CHECK_FALSE(decode_run(77, bytes));
}

TEST_CASE("the spare generation is made ahead, with a number that was not used") {
  TempDir dir;
  FoldHost host(dir.path());
  host.want_generations = true;
  host.open();
  CHECK(host.maintenance->step());
  CHECK_FALSE(host.wants_generation());
  CHECK_FALSE(host.maintenance->step());
  const auto first = host.blocks()->generations.back()->number();
  REQUIRE(host.freeze());
  CHECK(host.blocks()->generations.back()->number() > first);
  REQUIRE(host.run_all());
  CHECK(host.blocks()->generations.size() == 1);
}

TEST_CASE("a view that the committer replaces at once is kept while generations are looked at") {
  TempDir dir;
  FoldHost host(dir.path());
  host.want_generations = true;
  host.views_are_brief = true;
  host.open();
  const auto first = host.blocks()->generations.back()->number();
  REQUIRE(host.maintenance->step());
  REQUIRE(host.freeze());
  CHECK(host.blocks()->generations.back()->number() > first);
}

TEST_CASE("the thread folds what is frozen while commits and readers go on") {
  TempDir dir;
  FoldHost host(dir.path());
  host.want_generations = true;
  host.maintenance_options.tick_ms = 1;
  host.open();
  host.maintenance->start();
  host.maintenance->set_busy(true);
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop) {
      const auto view = host.blocks();
      for (const Run& run : *view->runs) {
        BlockCursor at(host.database(), {set_of(*view, run)}, nullptr, 0, {});
        if (!at.seek_to_first() || !at.valid()) {
          FAIL_CHECK("a run that a view shows has no blocks");
        }
      }
    }
  });
  for (int round = 0; round < 30; ++round) {
    for (std::uint32_t device = 1; device <= 10; ++device) {
      REQUIRE(host.seal(device, series_of(0, 1), rows_at(kStart + round * 1'000, 50)));
    }
    if (!host.wants_generation()) { // There is a spare one: else the next round.
      REQUIRE(host.freeze());
      host.maintenance->poke();
    }
  }
  while (host.wants_generation()) { // A busy machine may have given the thread no turn so far.
    std::this_thread::yield();
  }
  REQUIRE(host.freeze());
  const auto progress = host.maintenance->compact();
  while (progress->state != CompactProgress::State::done) {
    REQUIRE(progress->state != CompactProgress::State::failed);
    std::this_thread::yield();
  }
  stop = true;
  reader.join();
  host.maintenance->stop();
  host.check_all();
  CHECK(host.run_list().size() == 1);
  CHECK(host.errors == 0);
}

TEST_CASE("stopping ends a fold, and nothing of it is left") {
  TempDir dir;
  FoldHost host(dir.path());
  host.open();
  for (int i = 0; i < 200; ++i) {
    REQUIRE(host.seal(1, series_of(0, 1), rows_at(kStart + i * 1'000, 100)));
  }
  REQUIRE(host.freeze());
  host.maintenance_options.fold_cpu_max = 0.01;
  host.maintenance->start();
  host.maintenance->set_busy(true);
  host.maintenance->stop();
  host.open();
  host.check_all();
  REQUIRE(host.run_all());
  host.check_all();
  CHECK(std::filesystem::is_empty(dir.path() + "/fold"));
}

} // namespace spate::storage::test
