// Spate - acknowledged records by device and time, in bounded memory.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/hash.hpp"
#include "engine/base/result.hpp"

namespace spate::loadgen {

struct SortedAck {
  std::uint32_t device = 0; ///< Index into AcksSorter::devices().
  std::int64_t ts = 0;
  std::uint64_t hash = 0;
  auto operator<=>(const SortedAck&) const = default;
};

/// An external merge sort: add() all, then next() in order of device, time and hash. Memory holds
/// `chunk_max` records and the device names; what is above goes to unnamed temporary files.
class AcksSorter {
public:
  static constexpr std::size_t kChunkMax = std::size_t{4} << 20; ///< Records: about 100 MB.
  static constexpr std::size_t kRunsMax = 512;

  explicit AcksSorter(std::size_t chunk_max = kChunkMax);
  ~AcksSorter();
  AcksSorter(const AcksSorter&) = delete;
  AcksSorter& operator=(const AcksSorter&) = delete;

  /// Errors: file_unreadable (no room for temporary files).
  Result<void> add(std::string_view device, std::int64_t ts, std::uint64_t hash);
  /// After the last add().
  Result<void> finish();
  /// False at the end.
  Result<bool> next(SortedAck& ack);

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] const std::vector<std::string>& devices() const noexcept { return devices_; }
  /// The latest time of a device.
  [[nodiscard]] std::int64_t last_ts(std::uint32_t device) const noexcept {
    return last_ts_[device];
  }

private:
  struct Run;
  Result<void> spill();
  Result<bool> refill(Run& run);

  const std::size_t chunk_max_;
  std::vector<SortedAck> chunk_;
  std::size_t read_ = 0; ///< Of the chunk, if nothing was spilled.
  std::vector<std::unique_ptr<Run>> runs_;
  std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>> numbers_;
  std::vector<std::string> devices_;
  std::vector<std::int64_t> last_ts_;
  std::uint64_t size_ = 0;
};

} // namespace spate::loadgen
