// Which runs are merged and dropped, without a disk.
#include <doctest/doctest.h>

#include "storage/cpu_pace.hpp"
#include "storage/merge_plan.hpp"
#include "storage/run_groups.hpp"

namespace spate::storage::test {

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

Run run_of(std::uint32_t number, std::int64_t from_day, std::int64_t to_day, std::uint8_t level = 0,
           std::uint64_t bytes = 1'000) {
  Run run;
  run.number = number;
  run.level = level;
  run.from_ns = run.first_time_ns = from_day * kDayNs;
  run.to_ns = to_day * kDayNs;
  run.last_time_ns = run.to_ns - 1;
  run.last_received_ms = kNow;
  run.last_sequence = number;
  run.bytes = bytes;
  return run;
}

using Numbers = std::vector<std::uint32_t>;

Numbers planned(const std::vector<Run>& runs, MergeReason reason = MergeReason::due,
                std::int64_t now_ms = kNow) {
  const auto plan = plan_merge(runs, reason, now_ms);
  return plan ? plan->runs : Numbers{};
}

} // namespace

TEST_CASE("eight runs of one level over one time are merged, seven are not") {
  std::vector<Run> runs;
  for (std::uint32_t n = 1; n <= 7; ++n) {
    runs.push_back(run_of(n, 0, 1));
  }
  CHECK(planned(runs).empty());
  runs.push_back(run_of(8, 0, 1));
  CHECK(planned(runs) == Numbers{1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(plan_merge(runs, MergeReason::due, kNow)->level == 1);
  runs[3].level = 1; // Neighbours only: main rows of the fourth lie between theirs.
  CHECK(planned(runs).empty());
}

TEST_CASE("runs side by side are left alone, whatever their number") {
  std::vector<Run> runs;
  for (std::uint32_t n = 1; n <= 100; ++n) {
    runs.push_back(run_of(n, n, n + 1));
  }
  CHECK(planned(runs).empty());
  CHECK(planned(runs, MergeReason::compact).empty());
  // One with a few late rows over all of them does not make it worth the work,
  runs.push_back(run_of(101, 0, 200, 0, 10));
  CHECK(planned(runs).empty());
  CHECK(planned(runs, MergeReason::due, kNow + 2 * kQuietMs).empty());
  // except when one asks for it.
  CHECK(planned(runs, MergeReason::compact).size() == 101);
}

TEST_CASE("classes are merged by themselves") {
  std::vector<Run> runs;
  for (std::uint32_t n = 1; n <= 8; ++n) {
    runs.push_back(run_of(n, 0, 1));
    runs.back().retention_class = static_cast<std::uint8_t>(n % 2);
  }
  CHECK(planned(runs).empty());
  CHECK(planned(runs, MergeReason::compact).size() == 4);
}

TEST_CASE("a run of an age between those that are merged goes with them if it touches them") {
  std::vector<Run> runs;
  for (std::uint32_t n = 1; n <= 9; ++n) {
    runs.push_back(run_of(n, 0, 2));
  }
  runs[4] = run_of(5, 1, 3, 2); // Not over the first day, and of another level.
  // From the first day eight of level 0 are seen, and the fifth among them by age.
  CHECK(planned(runs) == Numbers{1, 2, 3, 4, 5, 6, 7, 8, 9});
  runs[4] = run_of(5, 7, 8, 2);
  CHECK(planned(runs) == Numbers{1, 2, 3, 4, 6, 7, 8, 9});
}

TEST_CASE("a quiet span becomes one run if that is worth it") {
  std::vector<Run> runs{run_of(1, 0, 1, 2, 1'000'000), run_of(2, 0, 1, 0, 1'000)};
  const std::int64_t quiet = kNow + kQuietMs + 1;
  CHECK(planned(runs, MergeReason::due, quiet).empty());
  runs[1].bytes = 200'000;
  CHECK(planned(runs, MergeReason::due, quiet) == Numbers{1, 2});
  CHECK(planned(runs, MergeReason::due, quiet - 2).empty());
}

TEST_CASE("merging ends: a plan carried out leaves fewer runs over each time") {
  // Ten folds of a backfill, each over 64 spans that do not begin where the others do.
  std::vector<Run> runs;
  std::uint32_t number = 1;
  for (std::int64_t fold = 0; fold < 10; ++fold) {
    for (std::int64_t n = 0; n < 64; ++n) {
      runs.push_back(run_of(number++, n * 4 + fold % 4, n * 4 + fold % 4 + 4));
      runs.back().last_sequence = static_cast<std::uint64_t>(fold);
    }
  }
  int merges = 0;
  for (; merges < 1'000; ++merges) {
    const auto plan = plan_merge(runs, MergeReason::compact, kNow);
    if (!plan) {
      break;
    }
    REQUIRE(plan->runs.size() <= kMergeInputsMax);
    std::int64_t from = INT64_MAX;
    std::int64_t to = INT64_MIN;
    std::uint64_t sequence = 0;
    std::erase_if(runs, [&](const Run& run) {
      if (std::find(plan->runs.begin(), plan->runs.end(), run.number) == plan->runs.end()) {
        return false;
      }
      from = std::min(from, run.from_ns / kDayNs);
      to = std::max(to, run.to_ns / kDayNs);
      sequence = std::max(sequence, run.last_sequence);
      return true;
    });
    for (std::int64_t at = from; at < to; at += 4) {
      runs.push_back(run_of(number++, at, std::min(at + 4, to), plan->level));
      runs.back().last_sequence = sequence;
    }
  }
  CHECK(merges < 200);
  CHECK(planned(runs, MergeReason::compact).empty());
}

TEST_CASE("a run is over when its partitions are, or when nothing came into it for long") {
  constexpr std::uint32_t kHourS = 3'600;
  Run run = run_of(1, 0, 1);
  const std::int64_t end_ms = run.to_ns / 1'000'000;
  run.last_received_ms = end_ms;
  CHECK_FALSE(expired(run, 0, INT64_MAX));
  CHECK_FALSE(expired(run, kHourS, end_ms + 3'600'000));
  CHECK(expired(run, kHourS, end_ms + 3'600'001));
  run.to_ns = INT64_MAX; // A clock that runs ahead.
  CHECK_FALSE(expired(run, kHourS, end_ms + 2 * 3'600'000));
  CHECK(expired(run, kHourS, end_ms + 2 * 3'600'000 + 1));
}

TEST_CASE("partitions are wider the longer rows are kept, and hold all times") {
  CHECK(partition_width_ns(3'600) == kHourNs);
  CHECK(partition_width_ns(2 * 86'400) == kHourNs);
  CHECK(partition_width_ns(2 * 86'400 + 1) == kDayNs);
  CHECK(partition_width_ns(180 * 86'400) == kDayNs);
  CHECK(partition_width_ns(181 * 86'400) == 28 * kDayNs);
  CHECK(partition_width_ns(0) == 112 * kDayNs);
  CHECK(partition_of(0, kDayNs) == TimeSpan{0, kDayNs});
  CHECK(partition_of(-1, kDayNs) == TimeSpan{-kDayNs, 0});
  CHECK(partition_of(kDayNs, kDayNs) == TimeSpan{kDayNs, 2 * kDayNs});
  for (const std::int64_t time : {INT64_MIN, INT64_MIN + 1, INT64_MAX - 1, INT64_MAX}) {
    CHECK(partition_of(time, 28 * kDayNs).holds(time));
    CHECK(partition_of(time, kHourNs).holds(time));
  }
}

TEST_CASE("small neighbouring partitions share a run, large ones do not, and none overlap") {
  RunGroups groups;
  groups.add_class(1, kDayNs);
  for (std::int64_t day = 100; day < 116; ++day) {
    groups.add(1, day * kDayNs + 5, day == 108 ? 2u << 20 : 1'000);
  }
  groups.add(1, INT64_MIN, 10); // A device without a clock.
  groups.decide();
  CHECK(groups.size() < 8);
  for (std::size_t a = 0; a < groups.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      CHECK_FALSE(groups[a].span.overlaps(groups[b].span));
    }
  }
  const auto large = groups.index_of(1, 108 * kDayNs);
  CHECK(groups[large].span == TimeSpan{108 * kDayNs, 109 * kDayNs});
  CHECK(groups.index_of(1, 100 * kDayNs) == groups.index_of(1, 103 * kDayNs));
  CHECK(groups.index_of(1, INT64_MIN) != large);
}

TEST_CASE("a fold never writes too many runs at once, whatever times devices send") {
  RunGroups groups;
  groups.add_class(1, kHourNs);
  for (std::int64_t n = 0; n < 100'000; ++n) {
    groups.add(1, n * 20 * kHourNs, 3u << 20);
  }
  groups.decide();
  CHECK(groups.size() <= kGroupsMax);
  CHECK(groups.size() > kGroupsMax / 4);
  for (std::int64_t n = 0; n < 100'000; n += 501) {
    CHECK(groups[groups.index_of(1, n * 20 * kHourNs)].span.holds(n * 20 * kHourNs));
  }
  CHECK(groups.size() <= kGroupsMax);
}

TEST_CASE("a thread that has used more than its share is told to pause until it has not") {
  constexpr std::int64_t kMs = 1'000'000;
  CpuPace pace;
  CHECK(pace.pause_ns(0, 100'000 * kMs, 0.25) == 0);
  CHECK(pace.pause_ns(10 * kMs, 100'010 * kMs, 0.25) == 30 * kMs);
  CHECK(pace.pause_ns(10 * kMs, 100'040 * kMs, 0.25) == 0);
  CHECK(pace.pause_ns(500 * kMs, 100'600 * kMs, 1) == 0);
  CHECK(pace.pause_ns(600 * kMs, 100'700 * kMs, 0.25) == 300 * kMs); // From there on.
}

} // namespace spate::storage::test
