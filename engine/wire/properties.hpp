// Spate - the properties of MQTT 5 (MQTT5-2.2.2): one table of what is allowed where. Internal to
// wire.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/wire/packets.hpp"
#include "engine/wire/reader.hpp"

namespace spate::wire {

enum class PropertyId : std::uint8_t {
  payload_format = 1,
  message_expiry = 2,
  content_type = 3,
  response_topic = 8,
  correlation_data = 9,
  subscription_id = 11,
  session_expiry = 17,
  assigned_client_id = 18,
  server_keep_alive = 19,
  authentication_method = 21,
  authentication_data = 22,
  request_problem_information = 23,
  will_delay = 24,
  request_response_information = 25,
  response_information = 26,
  server_reference = 28,
  reason_string = 31,
  receive_maximum = 33,
  topic_alias_maximum = 34,
  topic_alias = 35,
  maximum_qos = 36,
  retain_available = 37,
  user = 38,
  packet_bytes_max = 39,
  wildcard_subscription_available = 40,
  subscription_ids_available = 41,
  shared_subscription_available = 42,
};

/// Where a property stands: in a packet of this type, or in the will of a CONNECT.
enum class PropertyPlace : std::uint8_t { will = 0 };
[[nodiscard]] constexpr PropertyPlace place_of(PacketType type) noexcept {
  return static_cast<PropertyPlace>(type);
}

struct Property {
  PropertyId id{};
  std::uint32_t number = 0;
  std::string_view text;  ///< Strings and binary data; the name of a user property.
  std::string_view value; ///< Of a user property.

  [[nodiscard]] bool flag() const noexcept { return number != 0; }
  [[nodiscard]] std::uint16_t two_bytes() const noexcept {
    return static_cast<std::uint16_t>(number);
  }
  [[nodiscard]] std::uint8_t byte() const noexcept { return static_cast<std::uint8_t>(number); }
  [[nodiscard]] UserProperty pair() const noexcept { return {text, value}; }
};

/// Walks over a property block and hands out only properties that may stand there, in range and not
/// repeated: `for (Property p; properties.next(p);) { switch (p.id) ... }`. What is wrong ends the
/// walk and is refused on the packet's reader. Time is linear in the bytes, whatever they hold.
class PropertyReader {
public:
  PropertyReader(PacketReader& packet, PropertyPlace place) noexcept
      : packet_(packet), block_(packet.raw(packet.variable("property length"), "properties")),
        place_(place) {}

  bool next(Property& property) noexcept { return !block_.empty() && read(property); }

private:
  bool read(Property& property) noexcept;

  PacketReader& packet_;
  PacketReader block_;
  PropertyPlace place_;
  std::uint64_t seen_ = 0; ///< A bit for each id.
  std::size_t user_count_ = 0;
  std::size_t subscription_id_count_ = 0;
};

} // namespace spate::wire
