// Spate - a quick no for client ids without a kept session.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "engine/base/hash.hpp"

namespace spate::storage {

/// A Bloom filter of one hash: with 500,000 ids in it, one of eight others passes. 512 KiB. What
/// goes in stays until the process ends. Any thread.
class ClientFilter {
public:
  void insert(std::string_view client_id) noexcept {
    const std::size_t bit = bit_of(client_id);
    (*words_)[bit / 64].fetch_or(1ull << bit % 64, std::memory_order_relaxed);
  }
  [[nodiscard]] bool may_hold(std::string_view client_id) const noexcept {
    const std::size_t bit = bit_of(client_id);
    return ((*words_)[bit / 64].load(std::memory_order_relaxed) >> bit % 64 & 1) != 0;
  }

private:
  static constexpr std::size_t kBits = 1u << 22;
  static std::size_t bit_of(std::string_view client_id) noexcept {
    return TextHash()(client_id) % kBits;
  }
  using Words = std::array<std::atomic<std::uint64_t>, kBits / 64>;
  const std::unique_ptr<Words> words_ = std::make_unique<Words>();
};

} // namespace spate::storage
