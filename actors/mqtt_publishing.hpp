// Spate - what a session needs once it publishes; idle sessions do without.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "actors/in_flight.hpp"
#include "actors/matches.hpp"
#include "actors/mqtt_session.hpp"
#include "actors/packet_ids.hpp"
#include "engine/model/ids.hpp"
#include "engine/telemetry/route.hpp"

namespace spate::actors {

/// The sequence of a message for which nobody waits.
inline constexpr std::uint32_t kNoSequence = 0xffff'ffff;
static_assert(kNoSequence >= InFlight::kNumbers);

/// No version of the index of subscriptions.
inline constexpr std::uint64_t kNoVersion = ~0ull;

/// Where the records of a topic go. A session mostly publishes to one topic, so the last answer is
/// kept.
struct Aim {
  std::string topic;
  const telemetry::Route* route = nullptr; ///< Null: no route takes this topic.
  std::string device;                      ///< Named by the topic or the client id.
  const char* fault = nullptr;             ///< Why `device` can not be a device id.
  model::ShardId shard{};
  std::uint64_t origin = 0;                                  ///< As TelemetryBlock::origin.
  model::DeviceNumber number = model::DeviceNumber::unknown; ///< Known from the first receipt on.
  Matches matches;                                           ///< Who has subscribed to the topic,
  std::uint64_t matches_version = kNoVersion;                ///< as of this version of the index.
};

struct MqttSession::Publishing {
  Aim aim;
  InFlight in_flight;
  PacketIds awaiting_pubrec;        ///< QoS 2 ids that are in flight.
  PacketIds awaiting_pubrel;        ///< QoS 2 ids that are stored and PUBRECed.
  std::vector<std::string> aliases; ///< By topic alias - 1.
  std::size_t alias_bytes = 0;      ///< Of all of them.
  std::vector<std::string> present; ///< Devices entered in Presence.

  /// A message whose answer is owed from now on: its sequence, or kNoSequence with QoS 0.
  std::uint32_t owe(const wire::Publish& publish) {
    if (publish.qos == 0) {
      return kNoSequence;
    }
    if (publish.qos == 2) {
      awaiting_pubrec.insert(publish.packet_id);
    }
    return in_flight.push({publish.packet_id, publish.qos});
  }
};

} // namespace spate::actors
