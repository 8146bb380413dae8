#include "loadgen/load/turns.hpp"

#include <cassert>

namespace spate::loadgen {

Turns::Turns(std::uint32_t devices, std::uint32_t members, std::uint32_t first,
             std::uint32_t stride) noexcept
    : devices_(devices), members_(members), first_(first), stride_(stride),
      connections_((devices - 1) / members + 1),
      full_rows_(devices - (connections_ - 1) * members) {
  assert(devices > 0 && members > 0 && first < stride);
  mine_ = before(devices);
}

std::uint64_t Turns::before(std::uint64_t messages) const noexcept {
  const auto of_turn = [this](std::uint32_t numbers) {
    const std::uint64_t full = std::uint64_t{full_rows_} * connections_;
    if (numbers < full) {
      return numbers / connections_ * of_row(connections_) + of_row(numbers % connections_);
    }
    std::uint64_t mine = full_rows_ * of_row(connections_);
    if (const auto rest = static_cast<std::uint32_t>(numbers - full); rest > 0) {
      const std::uint32_t row = connections_ - 1;
      mine += rest / row * of_row(row) + of_row(rest % row);
    }
    return mine;
  };
  return messages / devices_ * of_turn(devices_) +
         of_turn(static_cast<std::uint32_t>(messages % devices_));
}

void Turns::step() noexcept {
  ++index_;
  if (connection() < width()) {
    return;
  }
  index_ = 0;
  row_ += width();
  ++member_;
  // A thread that only has the last connection has nothing in the rows that this one lacks.
  if (member_ == members_ || connection() >= width()) {
    member_ = 0;
    row_ = 0;
    turn_ += devices_;
  }
}

void Turns::jump(std::uint64_t count) noexcept {
  turn_ = count / mine_ * devices_;
  std::uint64_t rest = count % mine_;
  const std::uint64_t wide = of_row(connections_);
  if (rest < full_rows_ * wide) {
    member_ = static_cast<std::uint32_t>(rest / wide);
    index_ = static_cast<std::uint32_t>(rest % wide);
    row_ = std::uint64_t{member_} * connections_;
    return;
  }
  rest -= full_rows_ * wide;
  const std::uint64_t narrow = of_row(connections_ - 1);
  const auto rows = static_cast<std::uint32_t>(rest / narrow);
  member_ = full_rows_ + rows;
  index_ = static_cast<std::uint32_t>(rest % narrow);
  row_ = std::uint64_t{full_rows_} * connections_ + std::uint64_t{rows} * (connections_ - 1);
}

} // namespace spate::loadgen
