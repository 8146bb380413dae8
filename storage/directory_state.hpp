// Spate - what a data directory keeps in memory: devices, shapes, tails. Rebuilt from disk at every
// open.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "storage/blocks_view.hpp"
#include "storage/device_table.hpp"
#include "storage/log_codec.hpp"
#include "storage/recent_keys.hpp"
#include "storage/retention_classes.hpp"
#include "storage/shape_numbers.hpp"
#include "storage/tail.hpp"

namespace spate::storage {

/// When a tail is sealed.
struct SealPolicy {
  std::uint32_t rows = 128;
  std::size_t bytes = 64u << 10; ///< Of one tail.
  std::size_t log_bytes_max = 192u << 20;
  std::size_t tail_bytes_max = 96u << 20;
  std::int64_t age_ms = 3'600'000;
};

/// Thread: the committer changes it, holding `mutex` where readers look; readers hold `mutex`. The
/// committer reads without it. Nothing here touches the disk.
struct DirectoryState {
  explicit DirectoryState(const SealPolicy& policy_, std::size_t recent_keys_max)
      : policy(policy_), recent(recent_keys_max) {}

  const SealPolicy policy;
  mutable std::mutex mutex;
  /// Of the names in `devices` only, for loops, which can not wait for `mutex` while a large commit
  /// is applied. Taken after it.
  mutable std::mutex names_mutex;
  DeviceTable devices;
  ShapeNumbers shapes;
  RetentionClasses classes;
  std::size_t tail_bytes = 0; ///< Of the rows, without the tails themselves.
  std::size_t tail_rows = 0;

  // Committer.
  RecentKeys recent;
  std::uint64_t sequence = 0;     ///< Of the last commit.
  std::uint64_t next_row = 1;     ///< Number of the next row.
  std::uint64_t log_position = 0; ///< Log bytes since the oldest window.
  std::size_t device_series = 0;  ///< Pairs, so main tails.

  [[nodiscard]] static Tail* find_tail(const Device& device, std::uint32_t series,
                                       BlockKind kind) noexcept;
  /// Mutex held. The pair must be new; for a late tail its main tail exists.
  Tail& add_tail(model::DeviceNumber number, std::uint32_t series, BlockKind kind);
  /// The main tail beside a late one.
  [[nodiscard]] Tail& main_of(const Tail& tail) noexcept;

  /// Mutex held. Adds a committed row; the tail is due for sealing when it is full.
  void append(Tail& tail, const RowView& row);
  /// Mutex held. The rows are in a block now: remembers their keys and the newest, frees them.
  void sealed(Tail& tail);
  /// The same for who has read the rows already: the times of those that devices have stamped.
  void sealed(Tail& tail, std::span<const std::int64_t> device_times_ns);
  /// What LastRow `last` of the main tail will be once `tail` is sealed.
  [[nodiscard]] LastRow last_when_sealed(const Tail& tail);

  /// Recovery. False if the bytes are no row.
  bool restore_last(Tail& main, std::string_view bytes);
  /// Mutex held. The device's newest rows may be gone: they have to be looked up.
  void forget_last(const Erasure& erasure);

  /// To be sealed with the next commit, whatever it holds.
  void seal_next(Tail& tail);
  /// From now on tails whose first row came with commit `sequence` or before are due.
  void seal_through(std::uint64_t last) noexcept { seal_through_ = last; }

  /// After replay, during which tails became full and were sealed again: those that are full now.
  void find_full();
  /// Tails to be sealed with the next commit of `rows` rows: all that are full, and some of the
  /// oldest if the log lags, memory is short or they are old; as many as it takes where a bound is
  /// passed by a quarter. Marks them as sealing.
  void choose_seals(std::size_t rows, std::int64_t now_ms, std::vector<Tail*>& out);
  /// Whether the oldest tail has reached its age, or was asked for.
  [[nodiscard]] bool aged(std::int64_t now_ms) const noexcept;
  /// All tails whose first row came with `sequence` or before are sealed.
  [[nodiscard]] bool sealed_through(std::uint64_t last) const noexcept { return floor() > last; }
  /// Of the tails themselves and the last rows.
  [[nodiscard]] std::size_t fixed_bytes() const noexcept;

  /// The commit that holds the oldest row in a tail; the log below it is not needed.
  [[nodiscard]] std::uint64_t floor() const noexcept {
    return unsealed_.oldest() == nullptr ? sequence + 1 : unsealed_.oldest()->first_sequence;
  }

private:
  /// What all rows may take. The tails themselves stay for ever and count too, but leave rows half:
  /// blocks of a row each would cost more than they save.
  [[nodiscard]] std::size_t row_bytes_max() const noexcept;
  [[nodiscard]] bool is_full(const Tail& tail) const noexcept {
    return tail.rows() >= policy.rows || tail.bytes().size() >= policy.bytes;
  }

  std::deque<Tail> tails_; ///< Addresses stay.
  TailList unsealed_;
  std::vector<Tail*> full_; ///< Each is marked as sealing and stands here once.
  std::size_t last_bytes_ = 0;
  std::uint64_t seal_through_ = 0;
};

} // namespace spate::storage
