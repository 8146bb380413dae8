// Spate - which partitions share a run: decided before a fold writes, from what it is going to
// write.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "storage/partition.hpp"

namespace spate::storage {

/// Neighbouring partitions that hold less than this together share a run.
inline constexpr std::uint64_t kGroupBytesMin = 1u << 20;
/// Runs that are written at the same time, at most, unless there are more retention classes.
inline constexpr std::size_t kGroupsMax = 64;

/// A group is 2^n partitions, aligned: groups of different folds lie one within the other or side
/// by side, so that runs which are merged have few others in between. One thread.
class RunGroups {
public:
  struct Group {
    std::uint8_t retention_class = 0;
    TimeSpan span;
  };

  /// A class before its bytes; `width_ns` of its partitions.
  void add_class(std::uint8_t retention_class, std::int64_t width_ns);
  [[nodiscard]] bool has_class(std::uint8_t retention_class) const noexcept {
    return classes_.count(retention_class) != 0;
  }
  /// `bytes` whose times all lie in the partition of `time_ns`.
  void add(std::uint8_t retention_class, std::int64_t time_ns, std::uint64_t bytes);
  [[nodiscard]] bool same_partition(std::uint8_t retention_class, std::int64_t first_ns,
                                    std::int64_t last_ns) const;

  /// Ends the counting.
  void decide(std::uint64_t group_bytes_min = kGroupBytesMin, std::size_t groups_max = kGroupsMax);
  /// The group that holds a time. One that was not counted gets a group of its own.
  [[nodiscard]] std::size_t index_of(std::uint8_t retention_class, std::int64_t time_ns);
  [[nodiscard]] const Group& operator[](std::size_t index) const noexcept { return groups_[index]; }
  [[nodiscard]] std::size_t size() const noexcept { return groups_.size(); }

private:
  struct Class {
    std::int64_t width_ns = 0;
    unsigned shift = 0; ///< Of the numbers below: grows when there are too many.
    std::unordered_map<std::uint64_t, std::uint64_t> bytes; ///< By partition number >> shift.
    std::map<std::int64_t, std::size_t> groups;             ///< By the start of their span.
  };
  [[nodiscard]] static std::uint64_t number_of(std::int64_t time_ns,
                                               std::int64_t width_ns) noexcept;
  struct Counted {
    std::uint64_t number;
    std::uint64_t bytes;
  };
  void split(const Class& of, std::uint8_t retention_class, const Counted* begin,
             const Counted* end, unsigned level, std::uint64_t group_bytes_min);

  std::map<std::uint8_t, Class> classes_;
  std::vector<Group> groups_;
};

} // namespace spate::storage
