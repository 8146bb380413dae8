// Spate - which devices have a live session right now.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/base/hash.hpp"
#include "engine/model/ids.hpp"

namespace spate::actors {

struct Connectivity {
  model::Protocol protocol = model::Protocol::mqtt311;
  std::int64_t since_ms = 0; ///< When the first of its live sessions was seen to speak for it.
};

/// Sessions enter the devices that they have spoken for and take them out when they end, so that
/// "connected" is computed from sessions and their keep-alive and is never a stored flag.
/// Thread-safe.
class Presence {
public:
  void enter(std::string_view device, model::Protocol protocol, std::int64_t now_ms);
  void leave(std::string_view device);
  [[nodiscard]] std::optional<Connectivity> find(std::string_view device) const;

private:
  struct Entry {
    Connectivity connectivity;
    std::uint32_t sessions = 0;
  };
  struct Part {
    std::mutex mutex;
    std::unordered_map<std::string, Entry, TextHash, std::equal_to<>> devices;
  };
  static constexpr std::size_t kParts = 16; ///< Loops seldom meet at one lock.

  [[nodiscard]] Part& part_of(std::string_view device) const noexcept {
    return parts_[hash_bytes(device) % kParts];
  }
  mutable std::array<Part, kParts> parts_;
};

} // namespace spate::actors
