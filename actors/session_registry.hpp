// Spate - which actor holds the session of a client id, over all loops.
#pragma once

#include <array>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include <caf/actor_addr.hpp>

#include "engine/base/hash.hpp"

namespace spate::actors {

/// One client id has one session [MQTT-3.1.4-3]: the newest claim wins and learns whom it replaces.
/// Thread-safe.
class SessionRegistry {
public:
  /// The previous holder, or an invalid address. The caller tells it that its session is taken
  /// over.
  [[nodiscard]] caf::actor_addr claim(std::string_view client_id, const caf::actor_addr& holder);
  /// Removes the entry if `holder` still has it: a session that was taken over leaves its successor
  /// alone.
  void release(std::string_view client_id, const caf::actor_addr& holder);

private:
  struct Part {
    std::mutex mutex;
    std::unordered_map<std::string, caf::actor_addr, TextHash, std::equal_to<>> holders;
  };
  static constexpr std::size_t kParts = 16;

  [[nodiscard]] Part& part_of(std::string_view client_id) noexcept {
    return parts_[hash_bytes(client_id) % kParts];
  }
  std::array<Part, kParts> parts_;
};

} // namespace spate::actors
