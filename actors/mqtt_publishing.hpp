// Spate - what a session needs once it publishes; idle sessions do without.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "actors/in_flight.hpp"
#include "actors/mqtt_session.hpp"
#include "actors/packet_ids.hpp"
#include "engine/model/ids.hpp"
#include "engine/telemetry/route.hpp"

namespace spate::actors {

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
};

struct MqttSession::Publishing {
  Aim aim;
  InFlight in_flight;
  PacketIds awaiting_pubrec;        ///< QoS 2 ids that are in flight.
  PacketIds awaiting_pubrel;        ///< QoS 2 ids that are stored and PUBRECed.
  std::vector<std::string> aliases; ///< By topic alias - 1.
  std::size_t alias_bytes = 0;      ///< Of all of them.
  std::vector<std::string> present; ///< Devices entered in Presence.
};

} // namespace spate::actors
