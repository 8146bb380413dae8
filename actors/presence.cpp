#include "actors/presence.hpp"

namespace spate::actors {

void Presence::enter(std::string_view device, model::Protocol protocol, std::int64_t now_ms) {
  Part& part = part_of(device);
  const std::scoped_lock lock(part.mutex);
  auto found = part.devices.find(device);
  if (found == part.devices.end()) {
    found = part.devices.emplace(std::string(device), Entry{{protocol, now_ms}, 0}).first;
  }
  ++found->second.sessions;
}

void Presence::leave(std::string_view device) {
  Part& part = part_of(device);
  const std::scoped_lock lock(part.mutex);
  const auto found = part.devices.find(device);
  if (found != part.devices.end() && --found->second.sessions == 0) {
    part.devices.erase(found);
  }
}

std::optional<Connectivity> Presence::find(std::string_view device) const {
  Part& part = part_of(device);
  const std::scoped_lock lock(part.mutex);
  const auto found = part.devices.find(device);
  if (found == part.devices.end()) {
    return std::nullopt;
  }
  return found->second.connectivity;
}

} // namespace spate::actors
