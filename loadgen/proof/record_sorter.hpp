// Spate - records by device and time, in bounded memory.
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

/// Numbers for device names, the same in all ledgers that are compared.
/// Thread: one. Memory: about 100 bytes and the name for each device.
class DeviceIndex {
public:
  std::uint32_t number(std::string_view device);
  [[nodiscard]] std::uint32_t size() const noexcept {
    return static_cast<std::uint32_t>(names_.size());
  }
  [[nodiscard]] const std::string& name(std::uint32_t device) const { return *names_[device]; }

private:
  std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>> numbers_;
  std::vector<const std::string*> names_; ///< The keys: they stay where they are.
};

struct SortedRecord {
  std::uint32_t device = 0; ///< Of a DeviceIndex.
  bool repeated = false;    ///< Received with DUP.
  std::int64_t ts = 0;
  std::uint64_t hash = 0;

  [[nodiscard]] bool operator==(const SortedRecord&) const = default;
  /// By device, time and hash; of equal ones first what is not repeated.
  [[nodiscard]] bool operator<(const SortedRecord& other) const noexcept;
};

/// An external merge sort: add() all, finish(), then next() gives them in their order. Memory holds
/// `chunk_max` records; what is above goes to unnamed temporary files (24 bytes a record; in
/// TMPDIR).
/// Thread: one.
class RecordSorter {
public:
  static constexpr std::size_t kChunkMax = std::size_t{4} << 20; ///< Records: about 100 MB.
  static constexpr std::size_t kRunsMax = 512;

  explicit RecordSorter(std::size_t chunk_max = kChunkMax);
  ~RecordSorter();
  RecordSorter(const RecordSorter&) = delete;
  RecordSorter& operator=(const RecordSorter&) = delete;

  /// Errors: file_unreadable (no room for temporary files).
  Result<void> add(const SortedRecord& record);
  /// After the last add().
  Result<void> finish();
  /// False at the end.
  Result<bool> next(SortedRecord& record);

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  /// The latest time of a device that has records.
  [[nodiscard]] std::int64_t last_ts(std::uint32_t device) const noexcept {
    return last_ts_[device];
  }

private:
  struct Run;
  Result<void> spill();
  Result<bool> refill(Run& run);

  const std::size_t chunk_max_;
  std::vector<SortedRecord> chunk_;
  std::size_t read_ = 0; ///< Of the chunk, if nothing was spilled.
  std::vector<std::unique_ptr<Run>> runs_;
  std::vector<std::int64_t> last_ts_;
  std::uint64_t size_ = 0;
};

} // namespace spate::loadgen
