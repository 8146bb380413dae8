// Spate - a set of packet ids: every question is answered at once, however many a client uses.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace spate::actors {

/// 8 KiB from the first id on; there are 65,535 of them, so it needs no limit of its own.
class PacketIds {
public:
  [[nodiscard]] bool contains(std::uint16_t id) const noexcept { return ids_ && ids_->test(id); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  void insert(std::uint16_t id) {
    if (!ids_) {
      ids_ = std::make_unique<std::bitset<65536>>();
    }
    size_ += ids_->test(id) ? 0 : 1;
    ids_->set(id);
  }
  /// Whether it was there.
  bool erase(std::uint16_t id) noexcept {
    const bool there = contains(id);
    if (there) {
      ids_->reset(id);
      --size_;
    }
    return there;
  }

private:
  std::unique_ptr<std::bitset<65536>> ids_;
  std::size_t size_ = 0;
};

} // namespace spate::actors
