// Spate - rows of one number for tests of folds, and an open host to seal them in.
#pragma once

#include <string>
#include <vector>

#include "tests/storage/fold_fixture.hpp"

namespace spate::storage::test {

inline constexpr std::int64_t kStart = 1'700'000'000'000'000'000;
inline const std::uint32_t kNumbers = series_of(0, 1);

inline std::vector<TestRow> numbers(std::int64_t from_ns, std::int64_t step_ns, int count,
                                    int value = 0) {
  std::vector<TestRow> rows;
  for (int i = 0; i < count; ++i) {
    rows.push_back({from_ns + i * step_ns, 1'700'000'000'000 + i, model::TsSource::device,
                    number_values(std::to_string(value + i) + ".50")});
  }
  return rows;
}

struct Fold {
  TempDir dir;
  FoldHost host{dir.path()};
  Fold() { host.open(); }
};

} // namespace spate::storage::test
