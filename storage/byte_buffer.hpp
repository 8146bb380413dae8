// Spate - raw byte writing for the hot path: reserve once, then write through a pointer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "engine/base/bytes.hpp"
#include "engine/model/row.hpp"

namespace spate::storage {

inline constexpr std::size_t kVarintBytesMax = 10;

using model::write_varint;

inline char* write_svarint(char* at, std::int64_t value) noexcept {
  return write_varint(at, zigzag(value));
}

/// a - b and a + b without undefined overflow: what comes from disk may be any number.
[[nodiscard]] constexpr std::int64_t wrapping_difference(std::int64_t a, std::int64_t b) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
[[nodiscard]] constexpr std::int64_t wrapping_sum(std::int64_t a, std::int64_t b) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

/// Grows by doubling, does not zero what it reserves; reused from commit to commit.
class ByteBuffer {
public:
  /// At least `bytes` free at the returned pointer; advance(end) takes what was written.
  [[nodiscard]] char* reserve(std::size_t bytes) {
    if (capacity_ - size_ < bytes) {
      grow(bytes);
    }
    return data_.get() + size_;
  }
  void advance(const char* end) noexcept { size_ = static_cast<std::size_t>(end - data_.get()); }

  void clear() noexcept { size_ = 0; }
  /// Gives memory back that one unusual commit needed.
  void shrink(std::size_t capacity_max) {
    if (capacity_ > capacity_max) {
      data_.reset();
      size_ = capacity_ = 0;
    }
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::string_view view() const noexcept { return {data_.get(), size_}; }

private:
  void grow(std::size_t bytes) {
    std::size_t capacity = capacity_ == 0 ? 4096 : capacity_;
    while (capacity - size_ < bytes) {
      capacity *= 2;
    }
    auto data = std::make_unique_for_overwrite<char[]>(capacity);
    if (size_ != 0) {
      std::memcpy(data.get(), data_.get(), size_);
    }
    data_ = std::move(data);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

} // namespace spate::storage
