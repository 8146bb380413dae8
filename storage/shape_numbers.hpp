// Spate - numbers that shapes have on disk: one numbering for a data directory.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/model/shape.hpp"

namespace spate::storage {

/// Shape::index() belongs to this process; the number to the data directory, durable with the first
/// row of that shape. Numbers count from 1. Threads as DeviceTable.
class ShapeNumbers {
public:
  /// 0 if the shape has none yet.
  [[nodiscard]] std::uint32_t find(const model::Shape& shape) const noexcept {
    return shape.index() < by_index_.size() ? by_index_[shape.index()] : 0;
  }
  /// Null if the number was never given.
  [[nodiscard]] const model::Shape* at(std::uint32_t number) const noexcept {
    return number == 0 || number > by_number_.size() ? nullptr : by_number_[number - 1];
  }
  /// Gives the next number to a new shape.
  std::uint32_t add(const model::Shape& shape) {
    const auto number = static_cast<std::uint32_t>(by_number_.size() + 1);
    restore(number, shape);
    return number;
  }
  void restore(std::uint32_t number, const model::Shape& shape) {
    if (by_number_.size() < number) {
      by_number_.resize(number);
    }
    by_number_[number - 1] = &shape;
    if (by_index_.size() <= shape.index()) {
      by_index_.resize(shape.index() + 1);
    }
    by_index_[shape.index()] = number;
  }
  [[nodiscard]] std::size_t size() const noexcept { return by_number_.size(); }

private:
  std::vector<std::uint32_t> by_index_;
  std::vector<const model::Shape*> by_number_;
};

} // namespace spate::storage
