#include "engine/model/ledger.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

using namespace spate::model;

TEST_CASE(
    "a record that disappears shows as a positive imbalance, one counted twice as a negative") {
  LedgerCounts counts;
  counts.received = 10;
  CHECK(counts.imbalance() == 10);
  counts.stored = 4;
  counts.duplicate = 2;
  counts.in_flight = 1;
  counts.rejected[static_cast<std::size_t>(RejectReason::no_values)] = 2;
  CHECK(counts.rejected_total() == 2);
  CHECK(counts.imbalance() == 1);
  ++counts.rejected[static_cast<std::size_t>(RejectReason::no_route)];
  CHECK(counts.imbalance() == 0);
  ++counts.stored;
  CHECK(counts.imbalance() == -1);
}

TEST_CASE("records found to be repeats later are moved, and never more than were stored") {
  LedgerCounts counts;
  counts.received = 5;
  counts.stored = 4;
  counts.duplicate = 1;
  counts.move_to_duplicate(3);
  CHECK(counts.stored == 1);
  CHECK(counts.duplicate == 4);
  counts.move_to_duplicate(2);
  CHECK(counts.stored == 0);
  CHECK(counts.duplicate == 5);
  CHECK(counts.imbalance() == 0);
}

TEST_CASE("counts add up over loops") {
  LedgerCounts a;
  a.received = 3;
  a.stored = 2;
  a.rejected[1] = 1;
  LedgerCounts b = a;
  b += a;
  CHECK(b.received == 6);
  CHECK(b.stored == 4);
  CHECK(b.rejected[1] == 2);
  CHECK(b.imbalance() == 0);
}

TEST_CASE("a cell shows what was last published") {
  LedgerCell cell;
  CHECK(cell.snapshot().received == 0);
  cell.update([](LedgerCounts& c) {
    c.received += 5;
    c.in_flight += 5;
  });
  cell.update([](LedgerCounts& c) {
    c.in_flight -= 5;
    c.stored += 4;
    ++c.rejected[3];
  });
  const LedgerCounts seen = cell.snapshot();
  CHECK(seen.received == 5);
  CHECK(seen.in_flight == 0);
  CHECK(seen.stored == 4);
  CHECK(seen.rejected[3] == 1);
  CHECK(seen.imbalance() == 0);
  CHECK(cell.own().stored == 4);
}

TEST_CASE("every snapshot balances while another thread counts") {
  LedgerCell cell;
  constexpr std::uint64_t kRounds = 20'000;
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < kRounds; ++i) {
      cell.update([&](LedgerCounts& c) {
        c.received += 3;
        c.in_flight += 3;
      });
      cell.update([&](LedgerCounts& c) {
        c.in_flight -= 3;
        c.stored += 1;
        c.duplicate += 1;
        ++c.rejected[1 + i % (kRejectReasons - 1)];
      });
    }
  });
  LedgerCounts seen;
  bool balanced = true;
  do {
    seen = cell.snapshot();
    balanced = balanced && seen.imbalance() == 0;
  } while (seen.stored < kRounds);
  writer.join();
  CHECK(balanced);
  CHECK(seen.received == 3 * kRounds);
}
