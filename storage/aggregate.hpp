// Spate - buckets over the records of one device: its tails and sealed blocks.
#pragma once

#include <cstdint>
#include <vector>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "storage/aggregator.hpp"
#include "storage/blocks_view.hpp"
#include "storage/shape_reader.hpp"
#include "storage/store.hpp"

namespace spate::storage {

/// A device as one reader sees it: all of it of the same moment.
struct AggregatedDevice {
  struct Series {
    std::uint32_t number = 0;
    const model::Shape* shape = nullptr;
    std::int64_t kept_from_ns = INT64_MIN; ///< Older rows are past their retention: not shown.
  };
  WalkedDevice blocks;
  std::vector<Series> series;
  /// What is not sealed and not erased.
  std::vector<TailRows> tails;
  std::vector<Erasure> erasures; ///< Those of other devices do no harm.
};

/// A page ends early where its fields or texts get too many: `more` says so.
inline constexpr std::size_t kPageFieldsMax = 20'000;
inline constexpr std::size_t kPageTextBytesMax = 8u << 20;

/// The buckets of `request`, whose `device` is not looked at.
///
/// A main block that lies in one bucket, and that no late row, tail or erasure touches, is answered
/// by its heads where the functions allow; another one by the wanted columns; only where rows may
/// repeat or are erased all rows are decoded and merged as scan_device() does.
///
/// avg is that of the numbers of a path; only where a path has none, the share of true among its
/// booleans. A sum or avg that no double can hold is none.
///
/// Thread: any; the database stays open meanwhile. Memory: a page, for each series a block, the
/// late blocks that reach over one time, and kBucketValuesMax values with percentiles.
/// Errors: usage (no function, a negative step, too many values in one bucket for percentiles),
/// storage_io, storage_corrupt (the detail has device number, series and times),
/// storage_unavailable if it was cancelled. `counts` may be null.
Result<AggregatePage> aggregate_device(const AggregatedDevice& device,
                                       const AggregateRequest& request,
                                       AggregateCounts* counts = nullptr);

} // namespace spate::storage
