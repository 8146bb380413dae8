#include "storage/merge_plan.hpp"

#include <algorithm>
#include <limits>

namespace spate::storage {

namespace {

/// A quiet span of two or three runs is left as it is while the largest holds all but a 16th of it:
/// a few late rows are not worth a rewrite of a month.
constexpr std::uint64_t kQuietShare = 16;
constexpr std::size_t kQuietRuns = 4;

using Runs = std::vector<const Run*>;

bool older(const Run* a, const Run* b) noexcept {
  // By age and not by number: what a merge wrote has a new number and old rows.
  return a->last_sequence != b->last_sequence ? a->last_sequence < b->last_sequence
                                              : a->number < b->number;
}
TimeSpan span(const Run* run) noexcept {
  return {run->from_ns, run->to_ns};
}

/// Runs of one class whose spans overlap, directly or through others; oldest rows first.
std::vector<Runs> clusters_of(const std::vector<Run>& runs) {
  Runs sorted;
  sorted.reserve(runs.size());
  for (const Run& run : runs) {
    sorted.push_back(&run);
  }
  std::sort(sorted.begin(), sorted.end(), [](const Run* a, const Run* b) {
    return a->retention_class != b->retention_class ? a->retention_class < b->retention_class
                                                    : a->from_ns < b->from_ns;
  });
  std::vector<Runs> out;
  std::int64_t to_ns = 0;
  for (const Run* run : sorted) {
    if (out.empty() || out.back().front()->retention_class != run->retention_class ||
        run->from_ns >= to_ns) {
      out.push_back({run});
      to_ns = run->to_ns;
    } else {
      out.back().push_back(run);
      to_ns = std::max(to_ns, run->to_ns);
    }
  }
  for (Runs& cluster : out) {
    std::sort(cluster.begin(), cluster.end(), older);
  }
  return out;
}

/// Runs of `cluster` whose spans hold `time_ns`, oldest first.
Runs at_time(const Runs& cluster, std::int64_t time_ns) {
  Runs out;
  std::copy_if(cluster.begin(), cluster.end(), std::back_inserter(out),
               [time_ns](const Run* run) { return span(run).holds(time_ns); });
  return out;
}

/// The runs from..to of `some` and all that must go with them: a run whose age lies between theirs
/// and whose span touches theirs may have main rows between their main rows, so that a block made
/// of theirs would lie across its blocks.
Runs closure(const Runs& cluster, Runs::const_iterator from, Runs::const_iterator to) {
  TimeSpan all{std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()};
  const auto widen = [&all](const Run* run) {
    all.from_ns = std::min(all.from_ns, run->from_ns);
    all.to_ns = std::max(all.to_ns, run->to_ns);
  };
  std::for_each(from, to, widen);
  const auto begin = std::find(cluster.begin(), cluster.end(), *from);
  const auto end = std::find(begin, cluster.end(), *std::prev(to)) + 1;
  Runs out;
  for (std::size_t before = SIZE_MAX; before != out.size();) {
    before = out.size();
    out.clear();
    std::copy_if(begin, end, std::back_inserter(out),
                 [&all](const Run* run) { return span(run).overlaps(all); });
    std::for_each(out.begin(), out.end(), widen);
  }
  return out;
}

std::optional<MergePlan> plan_of(const Runs& runs) {
  if (runs.size() < 2 || runs.size() > kMergeInputsMax) {
    return std::nullopt;
  }
  MergePlan plan;
  for (const Run* run : runs) {
    plan.runs.push_back(run->number);
    plan.level = std::max(plan.level, run->level);
  }
  plan.level = static_cast<std::uint8_t>(std::min(plan.level + 1, 255));
  return plan;
}

/// Enough neighbours of one level that all lie over one time. What is merged must overlap, or the
/// planner would go round in circles over runs that stand side by side.
std::optional<MergePlan> level_of(const Runs& cluster) {
  for (const Run* anchor : cluster) {
    const Runs here = at_time(cluster, anchor->from_ns);
    for (auto at = here.begin(); at != here.end();) {
      const auto end = std::find_if(
          at, here.end(), [level = (*at)->level](const Run* run) { return run->level != level; });
      if (static_cast<std::size_t>(end - at) >= kMergeRuns) {
        if (auto plan = plan_of(closure(cluster, at, at + kMergeRuns))) {
          return plan;
        }
      }
      at = end;
    }
  }
  return std::nullopt;
}

/// As many as can be of those that lie over one time.
std::optional<MergePlan> part_of(const Runs& cluster) {
  for (const Run* anchor : cluster) {
    const Runs here = at_time(cluster, anchor->from_ns);
    for (std::size_t count = std::min(here.size(), kMergeInputsMax); count >= 2; count /= 2) {
      if (auto plan = plan_of(
              closure(cluster, here.begin(), here.begin() + static_cast<std::ptrdiff_t>(count)))) {
        return plan;
      }
    }
  }
  return std::nullopt;
}

std::size_t depth_of(const Runs& cluster) {
  std::size_t depth = 0;
  for (const Run* anchor : cluster) {
    depth = std::max(depth, at_time(cluster, anchor->from_ns).size());
  }
  return depth;
}

bool worth_a_quiet_merge(const Runs& cluster, std::int64_t now_ms) {
  std::uint64_t bytes = 0;
  std::uint64_t largest = 0;
  for (const Run* run : cluster) {
    bytes += run->bytes;
    largest = std::max(largest, run->bytes);
    if (run->last_received_ms >= now_ms - kQuietMs) {
      return false;
    }
  }
  const std::size_t depth = depth_of(cluster);
  return depth >= kQuietRuns ||
         (depth == cluster.size() && (bytes - largest) * kQuietShare >= bytes);
}

} // namespace

std::optional<MergePlan> plan_merge(const std::vector<Run>& runs, MergeReason reason,
                                    std::int64_t now_ms) {
  for (const Runs& cluster : clusters_of(runs)) {
    if (cluster.size() < 2) {
      continue;
    }
    if (reason == MergeReason::compact || worth_a_quiet_merge(cluster, now_ms)) {
      if (auto plan = cluster.size() <= kMergeInputsMax ? plan_of(cluster) : part_of(cluster)) {
        return plan;
      }
    }
    if (auto plan = level_of(cluster)) {
      return plan;
    }
  }
  return std::nullopt;
}

bool holds_alone(const std::vector<Run>& runs, const std::vector<std::uint32_t>& inputs,
                 std::uint8_t retention_class, const TimeSpan& span) {
  return std::none_of(runs.begin(), runs.end(), [&](const Run& run) {
    return run.retention_class == retention_class &&
           TimeSpan{run.from_ns, run.to_ns}.overlaps(span) &&
           std::find(inputs.begin(), inputs.end(), run.number) == inputs.end();
  });
}

bool expired(const Run& run, std::uint32_t retention_s, std::int64_t now_ms) noexcept {
  if (retention_s == 0) {
    return false;
  }
  constexpr std::int64_t kMsNs = 1'000'000;
  const std::int64_t retention_ms = std::int64_t{retention_s} * 1000;
  const std::int64_t width_ms = partition_width_ns(retention_s) / kMsNs;
  return run.to_ns / kMsNs + retention_ms < now_ms ||
         run.last_received_ms + retention_ms + width_ms < now_ms;
}

} // namespace spate::storage
