// Spate - who is behind a device number, in one data directory.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/hash.hpp"
#include "engine/model/ids.hpp"

namespace spate::storage {

struct Tail;

struct Device {
  std::string name; ///< Empty: this number was lost with an unsynced commit and is not used again.
  std::uint64_t hash = 0;
  std::int64_t first_seen_ms = 0;
  std::int64_t last_seen_ms = 0; ///< Of committed rows; 0: it has none.
  Tail* tails = nullptr;         ///< Linked through Tail::next_of_device.
  std::uint16_t shapes = 0;
  bool recorded = false; ///< Committer: its record is on disk or in the commit being built.
  std::atomic<bool> durable{false}; ///< Its record is on disk: it has rows, or was seen.
};

/// Numbers count from 1 and are dense, so a number finds its device by index. The committer adds,
/// under the state's mutex; it reads without, other threads with the mutex.
class DeviceTable {
public:
  /// DeviceNumber::unknown if there is none.
  [[nodiscard]] model::DeviceNumber find(std::string_view name) const noexcept;
  /// Null if the number was never given.
  [[nodiscard]] Device* at(model::DeviceNumber number) noexcept {
    const auto index = static_cast<std::uint32_t>(number);
    if (index == 0 || index > count_) {
      return nullptr;
    }
    Device& device = slot(index);
    return device.name.empty() ? nullptr : &device;
  }
  [[nodiscard]] const Device* at(model::DeviceNumber number) const noexcept {
    return const_cast<DeviceTable*>(this)->at(number);
  }
  /// Asks the cache for the device of this number ahead of its use.
  void prefetch(model::DeviceNumber number) const noexcept;

  /// Gives the next number to a new name.
  model::DeviceNumber add(std::string_view name, std::int64_t first_seen_ms);
  /// Puts back what was stored. False if number or name is taken.
  bool restore(model::DeviceNumber number, std::string_view name, std::int64_t first_seen_ms);

  /// Devices with a name.
  [[nodiscard]] std::size_t size() const noexcept { return named_; }
  /// The highest number given.
  [[nodiscard]] std::uint32_t highest() const noexcept { return count_; }

private:
  static constexpr std::uint32_t kChunkBits = 10;
  static constexpr std::uint32_t kChunk = 1u << kChunkBits;

  Device& slot(std::uint32_t number) noexcept {
    return chunks_[(number - 1) >> kChunkBits][(number - 1) & (kChunk - 1)];
  }
  const Device& slot(std::uint32_t number) const noexcept {
    return chunks_[(number - 1) >> kChunkBits][(number - 1) & (kChunk - 1)];
  }
  void reach(std::uint32_t number);
  void insert(std::uint32_t number);
  void rehash(std::size_t slots);

  std::vector<std::unique_ptr<Device[]>> chunks_; ///< Addresses stay.
  std::uint32_t count_ = 0;
  std::size_t named_ = 0;
  std::vector<std::uint32_t> by_name_; ///< Open addressing, linear; 0 = free; at most half full.
};

} // namespace spate::storage
