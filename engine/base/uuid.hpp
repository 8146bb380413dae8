// Spate - UUIDs of version 7 (RFC 9562): unique, and in the order of their making.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>

namespace spate {

struct Uuid {
  std::array<unsigned char, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;
  /// The 16 bytes, whose order is that of the text.
  [[nodiscard]] std::string_view view() const noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

/// "01977f2e-6d5b-7c3a-9f10-3b2f6a1d9e44"
[[nodiscard]] std::string text_of(const Uuid& uuid);
/// The inverse; hex digits of either case. Nothing else is taken.
[[nodiscard]] std::optional<Uuid> parse_uuid(std::string_view text) noexcept;
/// Nothing if it has not 16 bytes.
[[nodiscard]] std::optional<Uuid> uuid_from_bytes(std::string_view bytes) noexcept;

/// Makes UUIDs of version 7, each greater than the one before, also within a millisecond and when
/// the clock goes back (RFC 9562 section 6.2, method 1). One thread.
class UuidSource {
public:
  explicit UuidSource(std::uint64_t seed) : random_(seed) {}
  [[nodiscard]] Uuid next(std::int64_t wall_ms);

private:
  std::mt19937_64 random_;
  std::int64_t last_ms_ = -1;
  std::uint32_t counter_ = 0; ///< 12 bits, then the next millisecond is borrowed.
};

} // namespace spate
