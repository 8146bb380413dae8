#include "storage/run_groups.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace spate::storage {

namespace {

/// Partitions that are told apart while counting: a device may send any times.
constexpr std::size_t kCountedMax = 16'384;
/// Numbers of partitions are made positive by it.
constexpr std::int64_t kMiddle = std::int64_t{1} << 31;

/// Partitions [first, first + 2^level), counted from kMiddle.
TimeSpan span_of(std::uint64_t first, unsigned level, std::int64_t width_ns) noexcept {
  const std::int64_t from = static_cast<std::int64_t>(first) - kMiddle;
  const std::int64_t to = from + (std::int64_t{1} << level);
  TimeSpan span;
  if (__builtin_mul_overflow(from, width_ns, &span.from_ns)) {
    span.from_ns = INT64_MIN;
  }
  if (__builtin_mul_overflow(to, width_ns, &span.to_ns)) {
    span.to_ns = INT64_MAX;
  }
  return span;
}

} // namespace

void RunGroups::add_class(std::uint8_t retention_class, std::int64_t width_ns) {
  classes_[retention_class].width_ns = width_ns;
}

std::uint64_t RunGroups::number_of(std::int64_t time_ns, std::int64_t width_ns) noexcept {
  std::int64_t number = time_ns / width_ns;
  if (time_ns < 0 && number * width_ns != time_ns) {
    --number;
  }
  return static_cast<std::uint64_t>(number + kMiddle);
}

void RunGroups::add(std::uint8_t retention_class, std::int64_t time_ns, std::uint64_t bytes) {
  Class& of = classes_[retention_class];
  of.bytes[number_of(time_ns, of.width_ns) >> of.shift] += bytes;
  while (of.bytes.size() > kCountedMax) {
    ++of.shift;
    std::unordered_map<std::uint64_t, std::uint64_t> coarser;
    for (const auto& [number, count] : of.bytes) {
      coarser[number >> 1] += count;
    }
    of.bytes = std::move(coarser);
  }
}

bool RunGroups::same_partition(std::uint8_t retention_class, std::int64_t first_ns,
                               std::int64_t last_ns) const {
  const Class& of = classes_.at(retention_class);
  return number_of(first_ns, of.width_ns) >> of.shift ==
         number_of(last_ns, of.width_ns) >> of.shift;
}

/// From all times down: a half that is small is one group, else its halves are looked at. So groups
/// never overlap.
void RunGroups::split(const Class& of, std::uint8_t retention_class, const Counted* begin,
                      const Counted* end, unsigned level, std::uint64_t group_bytes_min) {
  std::uint64_t bytes = 0;
  for (const Counted* at = begin; at != end; ++at) {
    bytes += at->bytes;
  }
  if (level == of.shift || bytes < group_bytes_min) {
    const std::uint64_t first = begin->number << of.shift >> level << level;
    groups_.push_back({retention_class, span_of(first, level, of.width_ns)});
    return;
  }
  const unsigned half = level - 1 - of.shift; // The bit of `number` that tells the halves apart.
  const Counted* middle = std::find_if(
      begin, end, [half](const Counted& counted) { return (counted.number >> half & 1) != 0; });
  for (const auto& [from, to] : {std::pair(begin, middle), std::pair(middle, end)}) {
    if (from != to) {
      split(of, retention_class, from, to, level - 1, group_bytes_min);
    }
  }
}

void RunGroups::decide(std::uint64_t group_bytes_min, std::size_t groups_max) {
  for (;;) {
    groups_.clear();
    for (const auto& [number, of] : classes_) {
      std::vector<Counted> counted;
      for (const auto& [partition, bytes] : of.bytes) {
        counted.push_back({partition, bytes});
      }
      if (counted.empty()) {
        continue;
      }
      std::sort(counted.begin(), counted.end(),
                [](const Counted& a, const Counted& b) { return a.number < b.number; });
      const auto level =
          static_cast<unsigned>(std::bit_width(counted.front().number ^ counted.back().number)) +
          of.shift;
      split(of, number, counted.data(), counted.data() + counted.size(), level, group_bytes_min);
    }
    if (groups_.size() <= std::max(groups_max, classes_.size()) ||
        group_bytes_min > UINT64_MAX / 2) {
      break;
    }
    group_bytes_min *= 2;
  }
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    classes_[groups_[i].retention_class].groups[groups_[i].span.from_ns] = i;
  }
}

std::size_t RunGroups::index_of(std::uint8_t retention_class, std::int64_t time_ns) {
  Class& of = classes_[retention_class];
  auto after = of.groups.upper_bound(time_ns);
  if (after != of.groups.begin()) {
    const std::size_t index = std::prev(after)->second;
    if (groups_[index].span.holds(time_ns)) {
      return index;
    }
  }
  const TimeSpan span = partition_of(time_ns, of.width_ns);
  groups_.push_back({retention_class, span});
  of.groups[span.from_ns] = groups_.size() - 1;
  return groups_.size() - 1;
}

} // namespace spate::storage
