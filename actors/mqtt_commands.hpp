// Spate - what a session needs once it takes commands or answers them; other sessions do without.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "actors/mqtt_session.hpp"
#include "engine/model/command.hpp"

namespace spate::actors {

/// Answers of one session that the router has not settled: then its reading is paused until half of
/// them are.
inline constexpr std::size_t kUnsettledAnswersMax = 64;
inline constexpr std::size_t kUnsettledAnswerBytesMax = 256u << 10;
/// Commands of one session that wait for their PUBACK, in number and bytes, whatever its Receive
/// Maximum. Further ones wait here: so many, and then they are refused.
inline constexpr std::size_t kUnackedCommandsMax = 1000;
inline constexpr std::size_t kUnackedCommandBytesMax = 1u << 20;
inline constexpr std::size_t kWaitingCommandsMax = 1024;
inline constexpr std::size_t kWaitingCommandBytesMax = 4u << 20;
/// SUBACKs that wait for the store.
inline constexpr std::size_t kWithheldSubackBytesMax = 64u << 10;
/// Filters for the commands of one device. Devices need one.
inline constexpr std::size_t kCommandFiltersMax = 16;
/// Changes of filters of one session within a second: each is told to the router.
inline constexpr std::uint32_t kFilterChangesMax = 256;
/// No longer filter matches a command's topic.
inline constexpr std::size_t kCommandFilterBytesMax = 512;
/// After its last command was sent, a session's socket is hot no longer than this.
inline constexpr std::uint64_t kHotMs = 5000;
/// Commands whose answers keep the socket hot, counted one by one.
inline constexpr std::size_t kHotCommandsMax = 64;

struct MqttSession::Commands {
  struct Filter {
    std::string text;
    std::uint8_t qos = 0;
    bool numbered = false;
    std::uint32_t subscription_id = 0; ///< Goes with what it takes [MQTT5-3.3.4-3]; 0: none.
  };
  struct Unacked {
    std::uint16_t packet_id = 0;
    bool forgotten = false; ///< Nobody wants to hear of its PUBACK, but its id is still in use.
    std::uint32_t bytes = 0;
    Uuid id;
    std::string device;
  };
  struct Answer {
    std::uint64_t token = 0;
    std::uint32_t sequence = 0;
    std::size_t bytes = 0; ///< That it makes the router hold.
    std::string device;
    std::string topic;
    std::string sample;
  };

  std::map<std::string, std::vector<Filter>, std::less<>> devices; ///< Subscribed to, by id.
  std::vector<std::string> changed;                                ///< Not told to the router yet.
  std::uint32_t unseen = 0; ///< Devices whose first subscription is not durable yet.
  std::string subacks;      ///< Whole packets that wait until all of them are.
  std::vector<Unacked> unacked;
  std::size_t unacked_bytes = 0;
  std::list<model::Command> waiting; ///< For room in `unacked`.
  std::size_t waiting_bytes = 0;
  std::vector<Answer> answers; ///< Told to the router and not settled.
  std::size_t answer_bytes = 0;
  std::uint64_t last_token = 0;
  std::vector<Uuid> awaited; ///< Sent, and neither answered nor forgotten.
  std::uint64_t hot_until_ms = 0;
  std::uint64_t changes_second = 0; ///< Of `changes`.
  std::uint32_t changes = 0;
  std::uint16_t last_packet_id = 0xffff; ///< They take the upper half, see Outbox.
  bool hot = false;
  bool gone = false; ///< The router was told, or need not be.

  [[nodiscard]] std::uint16_t next_packet_id() noexcept;
  /// Whether the device's commands go by the numbered dialect.
  [[nodiscard]] bool numbered(std::string_view device) const noexcept;
};

} // namespace spate::actors
