// Spate - whose turn it is to speak, and which turns are a thread's.
#pragma once

#include <cstdint>

namespace spate::loadgen {

/// The order in which the devices of a cohort speak, and one thread's part of it.
///
/// All devices speak once in a turn: the first behind each connection, then the second behind each,
/// and so on, so that gateways send evenly. Message n of the cohort is number n % devices of turn
/// n / devices, however many threads there are: each device speaks as often as any other. The
/// thread has the connections first, first + stride, ... of the cohort.
class Turns {
public:
  /// `devices` of them, `members` behind each connection (the last may have fewer); first < stride.
  Turns(std::uint32_t devices, std::uint32_t members, std::uint32_t first,
        std::uint32_t stride) noexcept;

  /// Devices of the thread.
  [[nodiscard]] std::uint64_t mine() const noexcept { return mine_; }
  [[nodiscard]] std::uint32_t devices() const noexcept { return devices_; }
  /// How many of the cohort's first `messages` are the thread's.
  [[nodiscard]] std::uint64_t before(std::uint64_t messages) const noexcept;

  // The thread's next message. Only with mine() > 0.
  /// Its number in the cohort.
  [[nodiscard]] std::uint64_t number() const noexcept { return turn_ + row_ + connection(); }
  /// Counted within the thread.
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
  [[nodiscard]] std::uint32_t member() const noexcept { return member_; }
  void step() noexcept;
  /// To the thread's message number `count`, counted from 0.
  void jump(std::uint64_t count) noexcept;

private:
  /// The thread's connections among the first `count`.
  [[nodiscard]] std::uint64_t of_row(std::uint32_t count) const noexcept {
    return count <= first_ ? 0 : (count - first_ - 1) / stride_ + 1;
  }
  /// Connections with a device number `member`.
  [[nodiscard]] std::uint32_t width() const noexcept {
    return member_ < full_rows_ ? connections_ : connections_ - 1;
  }
  [[nodiscard]] std::uint32_t connection() const noexcept { return first_ + index_ * stride_; }

  std::uint32_t devices_, members_, first_, stride_;
  std::uint32_t connections_;
  std::uint32_t full_rows_; ///< Devices of the last connection: so many rows have all.
  std::uint64_t mine_ = 0;
  std::uint64_t turn_ = 0; ///< Messages of the turns before,
  std::uint64_t row_ = 0;  ///< and of the rows before in this turn.
  std::uint32_t member_ = 0, index_ = 0;
};

} // namespace spate::loadgen
