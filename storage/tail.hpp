// Spate - the rows of one device and series that no sealed block holds yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>

#include "storage/keys.hpp"
#include "storage/row_codec.hpp"

namespace spate::storage {

/// The newest sealed row of a series, kept so that the last value is known without a read.
class LastRow {
public:
  /// Larger ones are not kept: they are looked up.
  static constexpr std::size_t kBytesMax = 512;

  /// write_row() onto a base of zeros, as it also lies on disk. Empty: not known.
  [[nodiscard]] std::string_view bytes() const noexcept { return {data_.get(), size_}; }
  [[nodiscard]] bool known() const noexcept { return size_ != 0; }
  void set(const RowView& row);
  /// Bytes from disk. False if they are no row.
  bool restore(std::string_view bytes);
  void forget() noexcept {
    data_.reset();
    size_ = 0;
  }

private:
  std::unique_ptr<char[]> data_;
  std::uint32_t size_ = 0;
};

/// One for each device and series ever seen, and a second one for its late rows when it has some.
/// The rows, their count and `last` are read under the state's mutex; everything marked "committer"
/// is its thread's alone.
///
/// Memory: grows in small steps and is freed when sealed, since a hundred thousand of them exist.
struct Tail {
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();
  static constexpr std::uint32_t kNoRow = 0xffffffff;

  Tail(std::uint32_t device_, std::uint32_t series_, BlockKind kind_) noexcept
      : device(device_), series(series_), kind(kind_) {}
  Tail(const Tail&) = delete;
  Tail& operator=(const Tail&) = delete;
  ~Tail() { clear(); }

  [[nodiscard]] std::string_view bytes() const noexcept { return {data_, size_}; }
  [[nodiscard]] std::uint32_t rows() const noexcept { return rows_; }
  [[nodiscard]] bool empty() const noexcept { return rows_ == 0; }
  [[nodiscard]] std::size_t memory() const noexcept { return capacity_; }
  [[nodiscard]] std::int64_t min_time_ns() const noexcept { return min_time_; }
  [[nodiscard]] std::int64_t max_time_ns() const noexcept { return max_time_; }
  /// Of the rows of the newest time, the one that came last. It is not empty.
  [[nodiscard]] RowView newest() const noexcept;
  /// Whether the rows lie in time order.
  [[nodiscard]] bool ascending() const noexcept { return ascending_; }

  /// Asks the cache for this tail, or for where its next row goes.
  void prefetch() const noexcept {
    __builtin_prefetch(this);
    __builtin_prefetch(reinterpret_cast<const char*>(this) + 64);
    __builtin_prefetch(reinterpret_cast<const char*>(this) + 128);
    __builtin_prefetch(&base_); // May lie in a fourth line.
  }
  void prefetch_end() const noexcept { __builtin_prefetch(data_ + size_, 1); }

  void append(const RowView& row);
  /// Frees the rows.
  void clear() noexcept;

  const std::uint32_t device;
  const std::uint32_t series;
  const BlockKind kind;
  LastRow last; ///< Main tails: of what is sealed.

  // Committer.
  bool sealing = false;                ///< Chosen to be sealed; cleared with the rows.
  std::uint8_t scans = 0;              ///< Of this commit, in search of repeats.
  std::uint32_t last_pending = kNoRow; ///< Newest row of the commit being built that goes here.
  std::int64_t sealed_max = kNever;    ///< Main tails: newest time in a sealed main block.
  std::int64_t seen_max =
      kNever; ///< Newest time anywhere: sealed, here, or in the commit being built.
  std::uint64_t first_sequence = 0; ///< Commit of the oldest row here.
  std::uint64_t first_log_position = 0;
  std::int64_t first_received_ms = 0;
  Tail* older = nullptr; ///< List of tails with rows, by first_sequence.
  Tail* newer = nullptr;
  Tail* next_of_device = nullptr; ///< Read under the mutex.

private:
  void grow(std::size_t bytes);

  char* data_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
  std::uint32_t rows_ = 0;
  bool ascending_ = true;
  std::int64_t min_time_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t max_time_ = kNever;
  std::int64_t newest_received_ms_ = 0;
  std::uint32_t newest_at_ = 0; ///< Where it begins.
  RowBase base_;
};

/// The tails that hold rows, the one with the oldest commit first. O(1) everything; borrows the
/// tails.
class TailList {
public:
  void push_newest(Tail& tail) noexcept;
  void remove(Tail& tail) noexcept;
  [[nodiscard]] Tail* oldest() const noexcept { return oldest_; }

private:
  Tail* oldest_ = nullptr;
  Tail* newest_ = nullptr;
};

} // namespace spate::storage
