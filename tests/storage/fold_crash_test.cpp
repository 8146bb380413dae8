// Power cuts and disk errors while the maintenance thread works.
#include <filesystem>
#include <random>

#include "tests/storage/fold_fixture.hpp"

namespace spate::storage::test {

namespace {

constexpr std::int64_t kStart = 1'700'000'000'000'000'000;

/// A database on a disk that loses what was not synced.
struct Powered {
  TempDir dir;
  std::shared_ptr<PowerFs> fs = std::make_shared<PowerFs>();
  PowerEnv env{fs};
  FoldHost host{dir.path(), &env};
};

std::vector<TestRow> rows_at(std::int64_t time_ns, int count) {
  std::vector<TestRow> rows;
  for (int i = 0; i < count; ++i) {
    rows.push_back({time_ns + i * kSecondNs, time_ns / 1'000'000, model::TsSource::device,
                    number_values(std::to_string(i) + ".25")});
  }
  return rows;
}

/// Seals of a few devices and classes, some of them late, into `generations` generations.
bool seal_some(FoldHost& host, int round, int generations) {
  for (int g = 0; g < generations; ++g) {
    for (std::uint32_t device = 1; device <= 3; ++device) {
      const std::int64_t base = kStart + (round * 10 + g) * 100 * kSecondNs;
      if (!host.seal(device, series_of(0, 1), rows_at(base, 20)) ||
          !host.seal(device, series_of(1, 1), rows_at(base, 20)) ||
          !host.seal(device, series_of(0, 1), rows_at(base - 50 * kSecondNs, 7))) {
        return false;
      }
    }
    if (!host.freeze()) {
      return false;
    }
  }
  return true;
}

/// Blocks and seals of the log tell the same: a row is in one of them, never in both.
void check_against_log(FoldHost& host) {
  for (const SeriesKey& key : {SeriesKey{1, series_of(0, 1)}, SeriesKey{2, series_of(0, 1)},
                               SeriesKey{3, series_of(0, 1)}, SeriesKey{1, series_of(1, 1)}}) {
    for (const std::uint64_t sequence : host.found(key).sequences) {
      CHECK(host.sealed(sequence));
    }
  }
}

/// Cuts the power at the n-th write or sync of the work; true: the work was done before.
bool cut_at(std::uint64_t n, bool synced, const std::function<void(FoldHost&)>& prepare) {
  CAPTURE(n);
  Powered world;
  FoldHost& host = world.host;
  host.synced = synced;
  host.open();
  prepare(host);
  world.fs->die_after(n);
  const auto progress = host.maintenance->compact();
  const bool done = host.run_all();
  host.close();
  std::mt19937 random(static_cast<std::uint32_t>(n));
  world.fs->cut(random, n % 2 == 0);
  REQUIRE(host.try_open());
  const std::size_t lost = host.forget_lost();
  CHECK((lost == 0 || !synced));
  host.check_all();
  check_against_log(host);
  // What was begun is done again, and nothing is left over.
  (void)host.maintenance->compact();
  CHECK(host.run_all());
  host.check_all();
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(world.dir.path() + "/fold")) {
    files.insert(entry.path().filename());
  }
  CHECK(files.empty());
  CHECK(host.run_files() == host.run_list().size());
  return done;
}

} // namespace

TEST_CASE("the power goes at any write or sync of a fold: every row is there once") {
  for (const bool synced : {true, false}) {
    std::uint64_t n = 1;
    while (n < 500 && !cut_at(n, synced, [](FoldHost& host) { REQUIRE(seal_some(host, 0, 2)); })) {
      ++n;
    }
    CHECK(n > 10);
  }
}

TEST_CASE("the power goes at any write or sync of a merge: every row is there once") {
  const auto prepare = [](FoldHost& host) {
    for (int round = 0; round < 3; ++round) {
      REQUIRE(seal_some(host, round, 1));
      REQUIRE(host.run_all());
    }
    REQUIRE(host.run_list().size() > 2);
  };
  std::uint64_t n = 1;
  while (n < 500 && !cut_at(n, true, prepare)) {
    ++n;
  }
  CHECK(n > 5);
}

TEST_CASE("the power goes while an erased device is taken out: it never comes back") {
  const auto prepare = [](FoldHost& host) {
    REQUIRE(seal_some(host, 0, 1));
    REQUIRE(host.run_all());
    REQUIRE(seal_some(host, 1, 1));
    host.erase(1, kStart + 5 * kSecondNs, kStart + 1'010 * kSecondNs);
  };
  std::uint64_t n = 1;
  while (n < 500 && !cut_at(n, true, prepare)) {
    ++n;
  }
  CHECK(n > 5);
}

TEST_CASE("the power goes when retention drops runs: what is kept stays") {
  const auto prepare = [](FoldHost& host) {
    REQUIRE(seal_some(host, 0, 1));
    REQUIRE(host.run_all());
    host.now = (kStart + 40 * kDayNs) / 1'000'000; // Class 1 is kept for 30 days.
  };
  for (std::uint64_t n = 1; n < 6; ++n) {
    CAPTURE(n);
    Powered world;
    world.host.synced = true;
    world.host.open();
    prepare(world.host);
    world.fs->die_after(n);
    (void)world.host.run_all();
    world.host.close();
    std::mt19937 random(1);
    world.fs->cut(random, false);
    REQUIRE(world.host.try_open());
    CHECK(world.host.found({1, series_of(0, 1)}).rows == world.host.expected({1, series_of(0, 1)}));
    REQUIRE(world.host.run_all());
    CHECK(world.host.run_list().size() == 1);
    CHECK(world.host.run_files() == 1);
  }
}

TEST_CASE("a full disk ends a fold without harm, and it goes on when there is room") {
  Powered world;
  FoldHost& host = world.host;
  host.open();
  REQUIRE(seal_some(host, 0, 2));
  world.fs->fail(PowerFs::Fault::write_enospc, ".sst");
  CHECK_FALSE(host.maintenance->step());
  CHECK(host.errors == 0);
  CHECK(host.run_list().empty());
  world.fs->clear();
  CHECK_FALSE(host.maintenance->step()); // It waits a little.
  host.now += 10'000;
  CHECK(host.run_all());
  CHECK_FALSE(host.run_list().empty());
  host.check_all();
}

TEST_CASE("a disk error ends a fold, the directory is told, and nothing more is done") {
  Powered world;
  FoldHost& host = world.host;
  host.open();
  REQUIRE(seal_some(host, 0, 2));
  const auto progress = host.maintenance->compact();
  world.fs->fail(PowerFs::Fault::sync_eio, ".sst");
  CHECK_FALSE(host.maintenance->step());
  CHECK(host.errors == 1);
  CHECK(progress->state == CompactProgress::State::failed);
  world.fs->clear();
  CHECK_FALSE(host.maintenance->step());
  CHECK(host.maintenance->compact()->state == CompactProgress::State::failed);
  CHECK(host.run_list().empty());
  host.open();
  CHECK(host.run_all());
  host.check_all();
}

} // namespace spate::storage::test
