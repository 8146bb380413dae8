// Spate - one device as the command router sees it: its session, and the commands that wait for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "actors/command_messages.hpp"
#include "engine/base/hash.hpp"
#include "engine/model/command.hpp"

namespace spate::actors {

struct UuidHash {
  std::size_t operator()(const Uuid& id) const noexcept { return TextHash()(id.view()); }
};

/// The window of commands in flight and the queue before it. The queue's head is here, in the order
/// of sending; what is behind `read_up_to` lies in the log until there is room.
struct DeviceQueue {
  using Place = std::pair<model::CommandPriority, Uuid>; ///< Urgent first, then by age.

  // Of the session that takes commands; none: the device is away.
  std::optional<CommandTarget> target;
  std::vector<std::string> filters;
  bool numbered = false;
  bool with_id = true;
  std::size_t in_flight_max = 0;

  std::vector<DeviceReady> earlier; ///< Sessions that subscribed before, the newest last.

  std::set<Place> waiting;                 ///< Live, not given to a session.
  std::unordered_set<Uuid, UuidHash> live; ///< All live commands of the device.
  std::size_t in_flight = 0;               ///< Given to a session, not acknowledged.
  std::optional<Place> read_up_to;         ///< Of the log, since the device came.
  bool loading = false;
  bool more = false; ///< The log holds more behind `read_up_to`.

  static constexpr std::size_t kEarlierMax = 8; ///< More are forgotten, the oldest first.

  /// The session takes the device's commands from now on.
  void ready(const DeviceReady& session, std::size_t in_flight_limit);
  /// It does not any more. The newest of the earlier ones, to be made ready, if there is one.
  [[nodiscard]] std::optional<DeviceReady> away();
  void forget_earlier(const CommandTarget& session);
  [[nodiscard]] bool takes(const model::Command& command) const;
  /// Whether a new command may be sent before what the log still holds.
  [[nodiscard]] bool may_pass(const Place& place) const {
    return place.first == model::CommandPriority::urgent || !(more || loading) ||
           (read_up_to && place <= *read_up_to); // A page that came before its receipt had it.
  }
  [[nodiscard]] bool unused() const noexcept { return !target && live.empty() && !loading; }
};

} // namespace spate::actors
