// Spate - integers as bytes: big-endian for keys and protocols, varints for rows.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace spate {

/// Appends `value` big-endian, so that byte order is number order.
template <class UInt>
void put_be(std::string& out, UInt value) {
  for (int shift = 8 * (static_cast<int>(sizeof(UInt)) - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>((value >> shift) & 0xff));
  }
}

/// Reads a big-endian integer; the caller has checked that sizeof(UInt) bytes are there.
template <class UInt>
[[nodiscard]] UInt get_be(const char* in) noexcept {
  UInt value = 0;
  for (std::size_t i = 0; i < sizeof(UInt); ++i) {
    value = static_cast<UInt>((value << 8) | static_cast<unsigned char>(in[i]));
  }
  return value;
}

/// LEB128: seven bits a byte, the lowest first.
inline void put_varint(std::string& out, std::uint64_t value) {
  char buffer[10];
  std::size_t size = 0;
  while (value >= 0x80) {
    buffer[size++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  buffer[size++] = static_cast<char>(value);
  out.append(buffer, size);
}

/// Zigzag: small magnitudes of either sign become small numbers.
[[nodiscard]] constexpr std::uint64_t zigzag(std::int64_t value) noexcept {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
[[nodiscard]] constexpr std::int64_t unzigzag(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}
inline void put_svarint(std::string& out, std::int64_t value) {
  put_varint(out, zigzag(value));
}

/// Reads from a byte range without ever leaving it. After the first short read ok() is false and
/// all further reads give zero or empty, so that a decoder checks once at its end.
class ByteReader {
public:
  explicit ByteReader(std::string_view bytes) noexcept
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] bool empty() const noexcept { return at_ == end_; }
  [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] const char* position() const noexcept { return at_; }

  template <class UInt>
  UInt be() noexcept {
    if (left() < sizeof(UInt)) {
      return static_cast<UInt>(spoil());
    }
    const UInt value = get_be<UInt>(at_);
    at_ += sizeof(UInt);
    return value;
  }

  std::uint64_t varint() noexcept {
    if (left() >= 2) { // Most have one byte or two.
      const auto first = static_cast<unsigned char>(at_[0]);
      if (first < 0x80) {
        ++at_;
        return first;
      }
      const auto second = static_cast<unsigned char>(at_[1]);
      if (second < 0x80) {
        at_ += 2;
        return (first & 0x7fu) | static_cast<unsigned>(second) << 7;
      }
    }
    std::uint64_t value = 0;
    for (unsigned shift = 0; at_ != end_ && shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(*at_++);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        return value;
      }
    }
    return spoil();
  }

  std::int64_t svarint() noexcept { return unzigzag(varint()); }

  std::string_view bytes(std::uint64_t size) noexcept {
    if (left() < size) {
      spoil();
      return {};
    }
    const std::string_view view(at_, static_cast<std::size_t>(size));
    at_ += size;
    return view;
  }

  /// What was read makes no sense: as if the bytes had ended before it.
  void fail() noexcept { (void)spoil(); }

private:
  std::uint64_t spoil() noexcept {
    ok_ = false;
    at_ = end_;
    return 0;
  }

  const char* at_;
  const char* end_;
  bool ok_ = true;
};

} // namespace spate
