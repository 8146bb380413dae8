// Spate - what a session needs once it subscribes; others do without.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "actors/mqtt_session.hpp"
#include "actors/outbox.hpp"
#include "engine/routing/subscriber.hpp"

namespace spate::actors {

/// Topics that get an alias on the way to one client, whatever it allows: the first ones.
inline constexpr std::uint16_t kAliasesToClientMax = 16;
/// A shorter topic is no longer than what the alias costs.
inline constexpr std::size_t kAliasedTopicBytesMin = 8;

struct MqttSession::Deliveries {
  Deliveries(routing::Ref<routing::Subscriber> who, std::uint16_t window, std::size_t bytes_max)
      : subscriber(std::move(who)), outbox(window, bytes_max) {}

  const routing::Ref<routing::Subscriber> subscriber;
  Outbox outbox;
  std::vector<std::string> filters; ///< As subscribed, sorted.
  std::vector<std::string> aliases; ///< Topics, by topic alias - 1.
};

} // namespace spate::actors
