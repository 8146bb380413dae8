// Spate - which runs to merge or to drop next. Pure: no clock, no disk.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "storage/blocks_view.hpp"
#include "storage/partition.hpp"

namespace spate::storage {

/// Runs of one level and overlapping spans that are merged as soon as there are so many: each row
/// is rewritten once a level, and a reader looks into 7 runs of each level at most.
inline constexpr std::size_t kMergeRuns = 8;
/// Inputs of one merge at most: each has an open iterator and a block in memory.
inline constexpr std::size_t kMergeInputsMax = 256;
/// A span into which nothing came for so long is merged into one run.
inline constexpr std::int64_t kQuietMs = 3'600'000;

struct MergePlan {
  std::vector<std::uint32_t> runs; ///< Neighbours by age, oldest first.
  std::uint8_t level = 0;          ///< Of what comes out.
};

enum class MergeReason : std::uint8_t {
  due,    ///< Many of one level; what is quiet.
  compact ///< Until there is one run for each span.
};

/// The next merge; nothing: all is well.
[[nodiscard]] std::optional<MergePlan> plan_merge(const std::vector<Run>& runs, MergeReason reason,
                                                  std::int64_t now_ms);

/// Whether no run but `inputs` (sorted) holds rows of this class within `span`.
[[nodiscard]] bool holds_alone(const std::vector<Run>& runs,
                               const std::vector<std::uint32_t>& inputs,
                               std::uint8_t retention_class, const TimeSpan& span);

/// Whether all rows of `run` are over: its partitions are, or nothing came into it for the
/// retention and a partition's width, which ends rows whose clock ran ahead. `retention_s` 0: kept
/// for ever.
[[nodiscard]] bool expired(const Run& run, std::uint32_t retention_s, std::int64_t now_ms) noexcept;

} // namespace spate::storage
