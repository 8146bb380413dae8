// Spate - how long records are kept, by class: one numbering for a data directory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace spate::storage {

/// A class is a length of time; class 0 is for ever. Records keep the class that they came with.
/// Durable with its first row. Threads as DeviceTable.
class RetentionClasses {
public:
  static constexpr std::size_t kClassesMax = 256;

  [[nodiscard]] std::optional<std::uint8_t> find(std::uint32_t retention_s) const noexcept {
    for (std::size_t i = 0; i < seconds_.size(); ++i) {
      if (seconds_[i] == retention_s) {
        return static_cast<std::uint8_t>(i);
      }
    }
    return std::nullopt;
  }
  /// Nothing if there are as many as can be.
  std::optional<std::uint8_t> add(std::uint32_t retention_s) {
    if (seconds_.size() == kClassesMax) {
      return std::nullopt;
    }
    seconds_.push_back(retention_s);
    return static_cast<std::uint8_t>(seconds_.size() - 1);
  }
  /// Puts back what was stored, in ascending order. False if it is out of order.
  bool restore(std::size_t number, std::uint32_t retention_s) {
    if (number != seconds_.size() || number >= kClassesMax) {
      return false;
    }
    seconds_.push_back(retention_s);
    return true;
  }
  [[nodiscard]] std::size_t size() const noexcept { return seconds_.size(); }
  /// 0: for ever, also of a class that does not exist.
  [[nodiscard]] std::uint32_t seconds(std::uint8_t number) const noexcept {
    return number < seconds_.size() ? seconds_[number] : 0;
  }

private:
  std::vector<std::uint32_t> seconds_{0};
};

} // namespace spate::storage
