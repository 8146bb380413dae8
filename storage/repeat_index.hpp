// Spate - the device-stamped rows of a few crowded tails by their content.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/model/row.hpp"
#include "storage/tail.hpp"

namespace spate::storage {

/// Finds a repeat among tens of thousands of rows without looking at each. Holds copies, so it is
/// filled only for tails that a commit has scanned several times. Lives for one commit; committer
/// thread.
class RepeatIndex {
public:
  void clear() {
    if (!rows_.empty()) {
      rows_ = {}; // Not clear(): that would pay for the buckets in each later commit.
    }
  }
  void add(const Tail& tail, const model::Shape& shape, std::int64_t time_ns,
           std::string_view values) {
    rows_.emplace(hash_of(tail, shape, time_ns, values),
                  Entry{&tail, time_ns, std::string(values)});
  }
  [[nodiscard]] bool holds(const Tail& tail, const model::Shape& shape, std::int64_t time_ns,
                           std::string_view values) const {
    const auto [first, last] = rows_.equal_range(hash_of(tail, shape, time_ns, values));
    for (auto at = first; at != last; ++at) {
      const Entry& entry = at->second;
      if (entry.tail == &tail && entry.time_ns == time_ns &&
          model::same_values(shape, entry.values, values)) {
        return true;
      }
    }
    return false;
  }

private:
  struct Entry {
    const Tail* tail;
    std::int64_t time_ns;
    std::string values;
  };
  static std::uint64_t hash_of(const Tail& tail, const model::Shape& shape, std::int64_t time_ns,
                               std::string_view values) noexcept {
    std::uint64_t hash = model::hash_values(shape, values);
    hash = (hash ^ static_cast<std::uint64_t>(time_ns)) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
    return hash ^ reinterpret_cast<std::uintptr_t>(&tail);
  }

  std::unordered_multimap<std::uint64_t, Entry> rows_;
};

} // namespace spate::storage
