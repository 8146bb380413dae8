// Spate - bytes that many small views point into: grows by chunks, so that views stay good.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <memory>
#include <string_view>
#include <vector>

namespace spate {

/// Movable; views stay good as long as it, or what it was moved to, lives. One thread.
class Arena {
public:
  /// Room for `bytes`, at least 1.
  [[nodiscard]] char* reserve(std::size_t bytes) {
    if (left_ < bytes) {
      const std::size_t chunk = std::max(bytes, next_chunk_);
      next_chunk_ = std::min(next_chunk_ * 2, kChunkMax);
      chunks_.push_back(std::make_unique_for_overwrite<char[]>(chunk));
      at_ = chunks_.back().get();
      left_ = chunk;
    }
    return at_;
  }
  /// Takes the first `bytes` of what was reserved.
  void advance(std::size_t bytes) noexcept {
    at_ += bytes;
    left_ -= bytes;
  }
  /// A copy that lives here.
  [[nodiscard]] std::string_view keep(std::string_view bytes) {
    if (bytes.empty()) {
      return "";
    }
    char* at = reserve(bytes.size());
    std::memcpy(at, bytes.data(), bytes.size());
    advance(bytes.size());
    return {at, bytes.size()};
  }

  /// Keeps the bytes of another alive too.
  void take(Arena&& other) {
    std::move(other.chunks_.begin(), other.chunks_.end(), std::back_inserter(chunks_));
    other = {};
  }

private:
  static constexpr std::size_t kChunkMax = 1u << 20;
  std::vector<std::unique_ptr<char[]>> chunks_;
  char* at_ = nullptr;
  std::size_t left_ = 0;
  std::size_t next_chunk_ = 1u << 10;
};

} // namespace spate
