#include "storage/device_table.hpp"

#include <algorithm>

namespace spate::storage {

model::DeviceNumber DeviceTable::find(std::string_view name) const noexcept {
  if (by_name_.empty()) {
    return model::DeviceNumber::unknown;
  }
  const std::uint64_t hash = hash_bytes(name);
  const std::size_t mask = by_name_.size() - 1;
  for (std::size_t i = hash & mask; by_name_[i] != 0; i = (i + 1) & mask) {
    const Device& device = slot(by_name_[i]);
    if (device.hash == hash && device.name == name) {
      return static_cast<model::DeviceNumber>(by_name_[i]);
    }
  }
  return model::DeviceNumber::unknown;
}

void DeviceTable::prefetch(model::DeviceNumber number) const noexcept {
  const auto index = static_cast<std::uint32_t>(number);
  if (index != 0 && index <= count_) {
    const Device& device = slot(index);
    __builtin_prefetch(&device);
    __builtin_prefetch(&device.durable); // May lie in the next line.
  }
}

model::DeviceNumber DeviceTable::add(std::string_view name, std::int64_t first_seen_ms) {
  const std::uint32_t number = count_ + 1;
  restore(static_cast<model::DeviceNumber>(number), name, first_seen_ms);
  return static_cast<model::DeviceNumber>(number);
}

bool DeviceTable::restore(model::DeviceNumber number, std::string_view name,
                          std::int64_t first_seen_ms) {
  const auto index = static_cast<std::uint32_t>(number);
  if (index == 0 || name.empty() || at(number) != nullptr ||
      find(name) != model::DeviceNumber::unknown) {
    return false;
  }
  reach(index);
  Device& device = slot(index);
  device.name = name;
  device.hash = hash_bytes(name);
  device.first_seen_ms = first_seen_ms;
  ++named_;
  insert(index);
  return true;
}

void DeviceTable::reach(std::uint32_t number) {
  count_ = std::max(count_, number);
  while (chunks_.size() * kChunk < count_) {
    chunks_.push_back(std::make_unique<Device[]>(kChunk));
  }
}

void DeviceTable::insert(std::uint32_t number) {
  if (by_name_.size() < 2 * named_) {
    rehash(std::max<std::size_t>(1024, by_name_.size() * 2));
    return;
  }
  const std::size_t mask = by_name_.size() - 1;
  std::size_t i = slot(number).hash & mask;
  while (by_name_[i] != 0) {
    i = (i + 1) & mask;
  }
  by_name_[i] = number;
}

void DeviceTable::rehash(std::size_t slots) {
  by_name_.assign(slots, 0);
  const std::size_t mask = slots - 1;
  for (std::uint32_t number = 1; number <= count_; ++number) {
    if (slot(number).name.empty()) {
      continue;
    }
    std::size_t i = slot(number).hash & mask;
    while (by_name_[i] != 0) {
      i = (i + 1) & mask;
    }
    by_name_[i] = number;
  }
}

} // namespace spate::storage
