// What a fold and a merge make of blocks: every row, in order, once.
#include "storage/series_writer.hpp"
#include "tests/storage/fold_rows.hpp"

namespace spate::storage::test {

namespace {

/// Rows as devices send them: mostly in order, some late, some twice, some at one time.
void seal_random(FoldHost& host, std::mt19937& random, int commits, std::int64_t step_ns) {
  static std::map<SeriesKey, std::int64_t> clocks;
  const auto below = [&random](std::uint32_t n) {
    return static_cast<std::uint32_t>(random() % n);
  };
  for (int i = 0; i < commits; ++i) {
    const std::uint32_t device = 1 + below(5);
    const std::uint32_t series = series_of(static_cast<std::uint8_t>(below(2)), 1 + below(2));
    std::int64_t& clock = clocks.try_emplace({device, series}, kStart).first->second;
    std::vector<TestRow> rows;
    for (std::uint32_t n = 1 + below(80); n != 0; --n) {
      TestRow row;
      clock += below(4) == 0 ? 0 : static_cast<std::int64_t>(below(100)) * step_ns;
      row.time_ns =
          below(10) == 0 ? clock - static_cast<std::int64_t>(below(50'000)) * step_ns : clock;
      row.received_ms = clock / 1'000'000;
      row.source = static_cast<model::TsSource>(below(8) == 0 ? 1 : 0);
      row.values = number_values(std::to_string(below(3)) + (below(2) == 0 ? ".5" : ".50"));
      if (shape_of(series) == 2) {
        model::append_boolean(row.values, below(2) == 0);
        model::append_string(row.values, below(2) == 0 ? "on" : "off");
      }
      rows.push_back(std::move(row));
    }
    REQUIRE(host.seal(device, series, rows));
  }
}

} // namespace

TEST_CASE("a fold keeps every row, its order and its text, and takes out repeats") {
  for (const std::int64_t step_ns : {1'000'000ll, 60'000'000'000ll}) {
    CAPTURE(step_ns);
    Fold fold;
    std::mt19937 random(7);
    for (int round = 0; round < 12; ++round) {
      seal_random(fold.host, random, 40, step_ns);
      REQUIRE(fold.host.freeze());
      if (round % 3 != 0) { // Several generations at once, too.
        REQUIRE(fold.host.run_all());
        fold.host.check_all();
        CHECK(fold.host.blocks()->generations.size() == 1);
      }
    }
    const auto progress = fold.host.maintenance->compact();
    REQUIRE(fold.host.run_all());
    CHECK(progress->state == CompactProgress::State::done);
    CHECK(progress->rows_done == progress->rows_total);
    fold.host.check_all();
    CHECK(fold.host.rows_on_disk() == fold.host.model_rows());
    const auto runs = fold.host.run_list();
    std::uint64_t rows = 0;
    for (const Run& run : runs) {
      rows += run.rows;
      CHECK(run.late_blocks == 0);
      for (const Run& other : runs) {
        CHECK((run.number == other.number || run.retention_class != other.retention_class ||
               !span_of(run).overlaps(span_of(other))));
      }
    }
    CHECK(rows == fold.host.model_rows());
    CHECK(fold.host.maintenance->counts().fold_duplicates > 0);
    CHECK(fold.host.run_files() == runs.size());
    fold.host.open(); // And it is still so.
    fold.host.check_all();
  }
}

TEST_CASE("small blocks become blocks of up to 2048 rows, cut where a day ends") {
  Fold fold;
  const std::int64_t midnight = kStart / kDayNs * kDayNs + kDayNs;
  for (int i = 0; i < 100; ++i) {
    REQUIRE(fold.host.seal(
        1, kNumbers, numbers(midnight - 1'000 * kSecondNs + i * 64 * kSecondNs, kSecondNs, 64)));
  }
  REQUIRE(fold.host.freeze());
  REQUIRE(fold.host.run_all());
  fold.host.check_all();
  std::vector<std::size_t> sizes;
  const auto view = fold.host.blocks();
  BlockCursor at(fold.host.database(), {set_of(*view, view->runs->front())}, nullptr, 0, {});
  for (auto moved = at.seek_to_first(); moved && at.valid(); moved = at.next()) {
    const auto reader = columnar::BlockReader::open(*fold.host.shape(kNumbers), at.block());
    REQUIRE(reader);
    sizes.push_back(reader->rows());
    CHECK(*reader->head(0));
  }
  CHECK(sizes == std::vector<std::size_t>{1000, 2048, 2048, 1304});
}

TEST_CASE("partitions of a class get runs of their own once they are large, small ones share one") {
  Fold fold;
  // 40 days of a class that is kept for 30 days: little a day.
  const std::uint32_t series = series_of(1, 1);
  for (int day = 0; day < 40; ++day) {
    REQUIRE(fold.host.seal(1, series, numbers(kStart + day * kDayNs, kSecondNs, 64)));
  }
  REQUIRE(fold.host.freeze());
  REQUIRE(fold.host.run_all());
  CHECK(fold.host.run_list().size() == 1);
  fold.host.check_all();
}

TEST_CASE("a late row joins main rows only where no other run can have some") {
  Fold fold;
  FoldHost& host = fold.host;
  REQUIRE(host.seal(1, kNumbers, numbers(kStart + 1'000, 10, 10)));
  REQUIRE(host.freeze());
  REQUIRE(host.run_all());
  // Late: before the first run's rows, among them, and among its own.
  REQUIRE(host.seal(1, kNumbers, numbers(kStart + 2'000, 10, 10)));
  REQUIRE(host.seal(1, kNumbers, numbers(kStart + 500, 500, 4, 70))); // 500 1000 1500 2000
  REQUIRE(host.freeze());
  REQUIRE(host.run_all());
  host.check_all();
  REQUIRE(host.run_list().size() == 2);
  CHECK(host.found({1, kNumbers}).late == 3);
  CHECK(host.run_list()[1].late_blocks == 1);
  (void)host.maintenance->compact();
  REQUIRE(host.run_all());
  host.check_all();
  CHECK(host.found({1, kNumbers}).late == 0);
}

TEST_CASE("late rows that do not fit into memory are merged all the same") {
  TempDir dir;
  FoldHost host(dir.path());
  host.maintenance_options.late_bytes_max = 2'000; // Some 30 rows.
  host.open();
  std::mt19937 random(3);
  const auto numbers = [](std::int64_t from_ns, std::int64_t step_ns, int count, int value = 0) {
    auto rows = test::numbers(from_ns, step_ns, count, value);
    for (TestRow& row : rows) {
      row.source = model::TsSource::server; // A row that is read twice is no repeat.
    }
    return rows;
  };
  REQUIRE(host.seal(1, kNumbers, numbers(kStart, 1'000, 500)));
  for (int i = 0; i < 60; ++i) {
    REQUIRE(host.seal(1, kNumbers,
                      numbers(kStart - 50'000 + static_cast<std::int64_t>(random() % 500'000), 777,
                              1 + static_cast<int>(random() % 40), i)));
  }
  REQUIRE(host.freeze());
  REQUIRE(host.run_all());
  host.check_all();
  CHECK(host.found({1, kNumbers}).late == 0);
  REQUIRE(host.seal(1, kNumbers, numbers(kStart + 600'000, 1'000, 50)));
  for (int i = 0; i < 60; ++i) { // These stay late: a run lies there.
    REQUIRE(host.seal(1, kNumbers,
                      numbers(kStart - 90'000 + static_cast<std::int64_t>(random() % 200'000), 777,
                              1 + static_cast<int>(random() % 40), i)));
  }
  REQUIRE(host.freeze());
  REQUIRE(host.run_all());
  host.check_all();
  CHECK(host.found({1, kNumbers}).late > 500);
}

TEST_CASE("a clock that stands still: 300,000 rows of one time keep their order") {
  Fold fold;
  FoldHost& host = fold.host;
  const auto stuck = [&](int from, int count) {
    std::vector<TestRow> rows;
    for (int i = 0; i < count; ++i) {
      rows.push_back({kStart, i, model::TsSource::server, number_values(std::to_string(from + i))});
    }
    return rows;
  };
  REQUIRE(host.seal(1, kNumbers, numbers(kStart - 3'000'000, 1'000, 3'000)));
  for (int from = 0; from < 300'000; from += 10'000) {
    REQUIRE(host.seal(1, kNumbers, stuck(from, 10'000)));
    if (from == 150'000) {
      REQUIRE(host.freeze());
      REQUIRE(host.run_all());
      CHECK(host.found({1, kNumbers}).late == 160'000 - kTimeRowsMax);
    }
  }
  REQUIRE(host.freeze());
  REQUIRE(host.run_all());
  host.check_all();
  (void)host.maintenance->compact();
  REQUIRE(host.run_all());
  host.check_all();
  CHECK(host.found({1, kNumbers}).on_disk == 303'000);
}

TEST_CASE(
    "retention drops exactly the runs that are over, and their files when no one reads them") {
  Fold fold;
  FoldHost& host = fold.host;
  const std::uint32_t kept = series_of(0, 1);
  const std::uint32_t hours = series_of(2, 1); // Kept for an hour, in partitions of an hour.
  const std::int64_t hour = kStart / kHourNs * kHourNs;
  host.now = hour / 1'000'000;
  auto rows = numbers(hour, kSecondNs, 100);
  for (TestRow& row : rows) {
    row.received_ms = row.time_ns / 1'000'000;
  }
  REQUIRE(host.seal(1, kept, rows));
  REQUIRE(host.seal(1, hours, rows));
  REQUIRE(host.freeze());
  REQUIRE(host.run_all());
  REQUIRE(host.run_list().size() == 2);
  host.now = hour / 1'000'000 + 2 * 3'600'000; // The partition's end and an hour.
  REQUIRE(host.run_all());
  CHECK(host.run_list().size() == 2);
  auto reader = host.blocks();
  ++host.now;
  REQUIRE(host.run_all());
  REQUIRE(host.run_list().size() == 1);
  CHECK(host.run_list()[0].retention_class == 0);
  CHECK(host.found({1, hours}).on_disk == 0);
  CHECK(host.found({1, kept}).on_disk == 100);
  CHECK(host.run_files() == 2);
  reader.reset();
  REQUIRE(host.run_all());
  CHECK(host.run_files() == 1);
  CHECK(host.maintenance->counts().expired_runs == 1);
  CHECK(host.maintenance->counts().expired_rows == 100);
  host.open();
  CHECK(host.run_list().size() == 1);
}

TEST_CASE("a reader of an old view still finds what was merged meanwhile") {
  Fold fold;
  FoldHost& host = fold.host;
  REQUIRE(host.seal(1, kNumbers, numbers(kStart, 10, 100)));
  REQUIRE(host.freeze());
  REQUIRE(host.run_all());
  const auto old = host.blocks();
  REQUIRE(host.seal(1, kNumbers, numbers(kStart + 5'000, 10, 100)));
  REQUIRE(host.freeze());
  (void)host.maintenance->compact();
  REQUIRE(host.run_all());
  REQUIRE(host.run_list().size() == 1);
  BlockCursor at(host.database(), {set_of(*old, old->runs->front())}, nullptr, 0, {});
  REQUIRE(at.seek_to_first());
  CHECK(at.valid());
}

TEST_CASE("what is erased is gone from runs and generations, what came later stays") {
  Fold fold;
  FoldHost& host = fold.host;
  for (const std::uint32_t device : {1u, 2u}) {
    REQUIRE(host.seal(device, kNumbers, numbers(kStart, 1'000, 3'000)));
  }
  REQUIRE(host.freeze());
  REQUIRE(host.run_all());
  REQUIRE(host.seal(1, kNumbers, numbers(kStart + 5'000'000, 1'000, 100)));
  REQUIRE(host.seal(3, kNumbers, numbers(kStart, 1'000, 100)));
  REQUIRE(host.freeze());
  host.erase(1, kStart + 1'000'000, kStart + 5'050'000);
  CHECK_FALSE(host.maintenance->erased_through(1));
  REQUIRE(host.seal(1, kNumbers, numbers(kStart + 1'500'500, 1'000, 10))); // Came later.
  host.check_all();
  REQUIRE(host.run_all());
  host.check_all();
  CHECK(host.maintenance->erased_through(1));
  CHECK(host.found({1, kNumbers}).on_disk == 1'000 + 50 + 10);
  CHECK(host.found({2, kNumbers}).on_disk == 3'000);
  REQUIRE(host.freeze());
  (void)host.maintenance->compact();
  REQUIRE(host.run_all());
  host.check_all();
  CHECK(host.rows_on_disk() == host.model_rows());
  host.open();
  host.check_all();
}

TEST_CASE("a reader keeps its runs though an erasure and a merge came since") {
  Fold fold;
  FoldHost& host = fold.host;
  for (int i = 0; i < 2; ++i) {
    REQUIRE(host.seal(1, kNumbers, numbers(kStart + i * 1'000'000, 1'000, 500)));
    REQUIRE(host.freeze());
    REQUIRE(host.run_all());
  }
  auto view = host.blocks();
  const std::vector<Run> runs = *view->runs;
  host.erase(2, 0, INT64_MAX); // Nothing of it is there: the runs are only marked.
  REQUIRE(host.run_all());
  (void)host.maintenance->compact();
  REQUIRE(host.run_all());
  REQUIRE(host.run_list().size() == 1);
  for (const Run& run : runs) {
    BlockCursor blocks(host.database(), {set_of(*view, run)}, nullptr, 0, {});
    REQUIRE(blocks.seek_to_first());
    CHECK(blocks.valid());
  }
  const std::size_t files = host.run_files();
  view.reset();
  REQUIRE(host.run_all());
  CHECK(host.run_files() == files - runs.size());
}

} // namespace spate::storage::test
