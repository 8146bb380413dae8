// Spate - MQTT 3.1.1 and 5.0 control packets as values. All views borrow the frame they were
// decoded from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace spate::wire {

enum class Version : std::uint8_t { v311 = 4, v5 = 5 };

enum class PacketType : std::uint8_t {
  connect = 1,
  connack = 2,
  publish = 3,
  puback = 4,
  pubrec = 5,
  pubrel = 6,
  pubcomp = 7,
  subscribe = 8,
  suback = 9,
  unsubscribe = 10,
  unsuback = 11,
  pingreq = 12,
  pingresp = 13,
  disconnect = 14,
  auth = 15,
};

/// MQTT 5 reason codes (MQTT-2.4); 3.1.1 knows only connack return codes, see
/// connack_return_code().
enum class Reason : std::uint8_t {
  success = 0x00,
  granted_qos1 = 0x01,
  granted_qos2 = 0x02,
  disconnect_with_will = 0x04,
  no_matching_subscribers = 0x10,
  no_subscription_existed = 0x11,
  continue_authentication = 0x18,
  re_authenticate = 0x19,
  unspecified_error = 0x80,
  malformed_packet = 0x81,
  protocol_error = 0x82,
  implementation_specific_error = 0x83,
  unsupported_protocol_version = 0x84,
  client_identifier_not_valid = 0x85,
  bad_user_name_or_password = 0x86,
  not_authorized = 0x87,
  server_unavailable = 0x88,
  server_busy = 0x89,
  banned = 0x8a,
  server_shutting_down = 0x8b,
  bad_authentication_method = 0x8c,
  keep_alive_timeout = 0x8d,
  session_taken_over = 0x8e,
  topic_filter_invalid = 0x8f,
  topic_name_invalid = 0x90,
  packet_identifier_in_use = 0x91,
  packet_identifier_not_found = 0x92,
  receive_maximum_exceeded = 0x93,
  topic_alias_invalid = 0x94,
  packet_too_large = 0x95,
  message_rate_too_high = 0x96,
  quota_exceeded = 0x97,
  administrative_action = 0x98,
  payload_format_invalid = 0x99,
  retain_not_supported = 0x9a,
  qos_not_supported = 0x9b,
  use_another_server = 0x9c,
  server_moved = 0x9d,
  shared_subscriptions_not_supported = 0x9e,
  connection_rate_exceeded = 0x9f,
  maximum_connect_time = 0xa0,
  subscription_identifiers_not_supported = 0xa1,
  wildcard_subscriptions_not_supported = 0xa2,
};

/// As in the standard: "Keep Alive timeout". For logs.
[[nodiscard]] std::string_view name_of(Reason reason) noexcept;
[[nodiscard]] std::string_view name_of(PacketType type) noexcept;

using UserProperty = std::pair<std::string_view, std::string_view>;
using UserProperties = std::vector<UserProperty>; ///< Allocates only where there are some.

struct Will {
  std::string_view topic;
  std::string_view payload;
  std::uint8_t qos = 0;
  bool retain = false;
  std::uint32_t delay_s = 0;
  std::uint8_t payload_format = 0;
  std::optional<std::uint32_t> message_expiry_s;
  std::string_view content_type;
  std::string_view response_topic;
  std::string_view correlation_data;
  UserProperties user_properties;

  bool operator==(const Will&) const = default;
};

struct Connect {
  Version version = Version::v311;
  bool clean_start = false; ///< Clean Session in 3.1.1.
  std::uint16_t keep_alive_s = 0;
  std::string_view client_id; ///< May be empty.
  std::optional<Will> will;
  std::optional<std::string_view> user_name;
  std::optional<std::string_view> password;
  std::uint32_t session_expiry_s = 0;
  std::uint16_t receive_maximum = 65535;
  std::uint32_t packet_bytes_max = 0; ///< Maximum Packet Size of the client; 0 = no limit.
  std::uint16_t topic_alias_maximum = 0;
  bool request_response_information = false;
  bool request_problem_information = true;
  std::optional<std::string_view> authentication_method;
  std::string_view authentication_data;
  UserProperties user_properties;

  bool operator==(const Connect&) const = default;
};

struct Connack {
  Version version = Version::v311;
  bool session_present = false;
  Reason reason = Reason::success; ///< In 3.1.1 encoded as the nearest return code.
  std::optional<std::uint32_t> session_expiry_s;
  std::optional<std::uint16_t> receive_maximum;
  std::optional<std::uint8_t> maximum_qos;
  std::optional<bool> retain_available;
  std::optional<std::uint32_t> packet_bytes_max;
  std::string_view assigned_client_id;
  std::optional<std::uint16_t> topic_alias_maximum;
  std::string_view reason_string;
  std::optional<bool> wildcard_subscription_available;
  std::optional<bool> subscription_identifiers_available;
  std::optional<bool> shared_subscription_available;
  std::optional<std::uint16_t> server_keep_alive_s;
  std::string_view response_information;
  std::string_view server_reference;
  std::string_view authentication_method;
  std::string_view authentication_data;
  UserProperties user_properties;

  bool operator==(const Connack&) const = default;
};

struct Publish {
  std::string_view topic; ///< May be empty in v5 when an alias stands for it.
  std::string_view payload;
  std::uint16_t packet_id = 0; ///< 0 with QoS 0.
  std::uint8_t qos = 0;
  bool retain = false;
  bool dup = false;
  std::uint16_t topic_alias = 0; ///< 0 = none.
  std::uint8_t payload_format = 0;
  std::optional<std::uint32_t> message_expiry_s;
  std::string_view content_type;
  std::string_view response_topic;
  std::string_view correlation_data;
  std::vector<std::uint32_t> subscription_ids;
  UserProperties user_properties;

  bool operator==(const Publish&) const = default;
};

/// A PUBLISH of a server to a subscriber. `properties` are those that travel with the message,
/// encoded (append_message_properties); the others belong to this way of it.
struct Delivery {
  std::string_view topic;
  std::string_view payload;
  std::string_view properties;
  std::uint16_t packet_id = 0; ///< 0 with QoS 0.
  std::uint8_t qos = 0;
  bool retain = false;
  bool dup = false;
  std::uint16_t topic_alias = 0; ///< 0 = none. With one that is known the topic may be empty.
  std::optional<std::uint32_t> message_expiry_s;
  const std::vector<std::uint32_t>* subscription_ids = nullptr; ///< Borrowed; null: none.
};

/// PUBACK, PUBREC, PUBREL, PUBCOMP.
struct Ack {
  PacketType type = PacketType::puback;
  std::uint16_t packet_id = 0;
  Reason reason = Reason::success;
  std::string_view reason_string;
  UserProperties user_properties;

  bool operator==(const Ack&) const = default;
};

struct Subscription {
  std::string_view filter;
  std::uint8_t qos = 0;
  bool no_local = false;
  bool retain_as_published = false;
  std::uint8_t retain_handling = 0;

  bool operator==(const Subscription&) const = default;
};

struct Subscribe {
  std::uint16_t packet_id = 0;
  std::optional<std::uint32_t> subscription_id;
  std::vector<Subscription> subscriptions;
  UserProperties user_properties;

  bool operator==(const Subscribe&) const = default;
};

struct Unsubscribe {
  std::uint16_t packet_id = 0;
  std::vector<std::string_view> filters;
  UserProperties user_properties;

  bool operator==(const Unsubscribe&) const = default;
};

/// SUBACK and UNSUBACK.
struct SubscribeAck {
  PacketType type = PacketType::suback;
  std::uint16_t packet_id = 0;
  std::vector<Reason> reasons; ///< Empty for UNSUBACK of 3.1.1.
  std::string_view reason_string;

  bool operator==(const SubscribeAck&) const = default;
};

/// DISCONNECT and AUTH.
struct Disconnect {
  Reason reason = Reason::success;
  std::optional<std::uint32_t> session_expiry_s;
  std::string_view reason_string;
  std::string_view server_reference;
  UserProperties user_properties;

  bool operator==(const Disconnect&) const = default;
};

} // namespace spate::wire
