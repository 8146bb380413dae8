// Spate - integers of a fixed number of bits, one after the other, the lowest bit first.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace spate::columnar {

static_assert(std::endian::native == std::endian::little);

/// Differences and sums wrap: what is written wraps back when it is read, whatever the bytes are.
[[nodiscard]] constexpr std::int64_t wrapping_difference(std::int64_t a, std::int64_t b) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
[[nodiscard]] constexpr std::int64_t wrapping_sum(std::int64_t a, std::int64_t b) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

[[nodiscard]] constexpr unsigned width_of(std::uint64_t value) noexcept {
  return static_cast<unsigned>(std::bit_width(value));
}
[[nodiscard]] constexpr std::uint64_t mask_of(unsigned width) noexcept {
  return width == 0 ? 0 : ~std::uint64_t{0} >> (64 - width);
}
[[nodiscard]] constexpr std::size_t packed_bytes(std::size_t count, unsigned width) noexcept {
  return (count * width + 7) / 8;
}

/// Appends `count` values of `width` bits; `value(i)` gives them, below 2^width.
template <class Value>
void pack_bits(std::string& out, std::size_t count, unsigned width, Value value) {
  const std::size_t bytes = packed_bytes(count, width);
  const std::size_t begin = out.size();
  out.resize(begin + bytes + 8); // Whole words are written, what is too much is cut.
  char* at = out.data() + begin;
  std::uint64_t word = 0;
  unsigned used = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t v = value(i);
    word |= v << used;
    used += width;
    if (used >= 64) {
      std::memcpy(at, &word, sizeof word);
      at += sizeof word;
      used -= 64;
      word = used == 0 ? 0 : v >> (width - used);
    }
  }
  std::memcpy(at, &word, sizeof word);
  out.resize(begin + bytes);
}

/// Calls `take(i, value)` for `count` values of `width` bits at `bytes`, which has
/// packed_bytes(count, width) of them.
template <class Take>
void unpack_bits(const char* bytes, std::size_t count, unsigned width, Take take) {
  const std::uint64_t mask = mask_of(width);
  const std::size_t size = packed_bytes(count, width);
  // Up to `quick` 8 bytes are readable at each value, and 57 bits are whole in any 8 bytes.
  const std::size_t quick = width == 0 || width > 57 || size < 8 ? 0 : ((size - 8) * 8) / width + 1;
  std::size_t i = 0;
  std::size_t bit = 0;
  for (; i < quick && i < count; ++i, bit += width) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + bit / 8, sizeof word);
    take(i, (word >> (bit % 8)) & mask);
  }
  for (; i < count; ++i, bit += width) {
    std::uint64_t word[2] = {0, 0};
    const std::size_t begin = bit / 8;
    const std::size_t left = size - begin;
    if (left != 0) { // The width may be 0.
      std::memcpy(word, bytes + begin, left < sizeof word ? left : sizeof word);
    }
    const unsigned shift = bit % 8;
    const std::uint64_t high = shift == 0 ? 0 : word[1] << (64 - shift);
    take(i, ((word[0] >> shift) | high) & mask);
  }
}

/// Appends values of any widths, one after the other.
class BitWriter {
public:
  /// At most `bits_max` bits will be put.
  BitWriter(std::string& out, std::size_t bits_max) : out_(out) {
    const std::size_t begin = out.size();
    out.resize(begin + bits_max / 8 + 2 * sizeof word_);
    at_ = out.data() + begin;
  }

  /// `value` is below 2^width.
  void put(std::uint64_t value, unsigned width) {
    word_ |= value << used_;
    used_ += width;
    if (used_ >= 64) {
      std::memcpy(at_, &word_, sizeof word_);
      at_ += sizeof word_;
      used_ -= 64;
      word_ = used_ == 0 ? 0 : value >> (width - used_);
    }
  }
  /// Fills the last byte up.
  void finish() {
    std::memcpy(at_, &word_, sizeof word_);
    out_.resize(static_cast<std::size_t>(at_ - out_.data()) + (used_ + 7) / 8);
  }

private:
  std::string& out_;
  char* at_;
  std::uint64_t word_ = 0;
  unsigned used_ = 0;
};

/// Reads them; behind the end it reads zeros, and ok() is false.
class BitReader {
public:
  BitReader(const char* bytes, std::size_t size, std::size_t bit = 0) noexcept
      : bytes_(bytes), size_(size), bit_(bit) {}

  [[nodiscard]] bool ok() const noexcept { return bit_ <= size_ * 8; }
  [[nodiscard]] std::size_t bytes_taken() const noexcept { return (bit_ + 7) / 8; }

  /// The next `width` bits, 57 at most.
  std::uint64_t get(unsigned width) noexcept {
    const std::uint64_t value = peek() & mask_of(width);
    bit_ += width;
    return value;
  }
  /// The same of up to 64.
  std::uint64_t get_wide(unsigned width) noexcept {
    if (width <= 32) {
      return get(width);
    }
    const std::uint64_t low = get(32);
    return low | get(width - 32) << 32;
  }
  /// The bits from here on, 57 at least.
  [[nodiscard]] std::uint64_t peek() const noexcept {
    const std::size_t begin = bit_ / 8;
    std::uint64_t word = 0;
    if (begin + sizeof word <= size_) {
      std::memcpy(&word, bytes_ + begin, sizeof word);
    } else if (begin < size_) {
      std::memcpy(&word, bytes_ + begin, size_ - begin);
    }
    return word >> (bit_ % 8);
  }
  void skip(unsigned width) noexcept { bit_ += width; }

private:
  const char* bytes_;
  std::size_t size_;
  std::size_t bit_;
};

} // namespace spate::columnar
