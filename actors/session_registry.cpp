#include "actors/session_registry.hpp"

#include <utility>

namespace spate::actors {

caf::actor_addr SessionRegistry::claim(std::string_view client_id, const caf::actor_addr& holder) {
  Part& part = part_of(client_id);
  const std::scoped_lock lock(part.mutex);
  const auto found = part.holders.find(client_id);
  if (found == part.holders.end()) {
    part.holders.emplace(std::string(client_id), holder);
    return {};
  }
  return std::exchange(found->second, holder);
}

void SessionRegistry::release(std::string_view client_id, const caf::actor_addr& holder) {
  Part& part = part_of(client_id);
  const std::scoped_lock lock(part.mutex);
  const auto found = part.holders.find(client_id);
  if (found != part.holders.end() && found->second == holder) {
    part.holders.erase(found);
  }
}

} // namespace spate::actors
