#include "engine/wire/reason.hpp"

#include <algorithm>
#include <iterator>

#include "engine/wire/codec.hpp"

namespace spate::wire {

namespace {

using enum PacketType;

struct ReasonRow {
  Reason reason;
  std::string_view name;
  std::uint16_t packets; ///< A bit for each PacketType.
};

template <class... Types>
constexpr std::uint16_t in(Types... types) {
  return static_cast<std::uint16_t>(((1u << static_cast<unsigned>(types)) | ...));
}

/// Table 2-6 of MQTT 5, by code.
constexpr ReasonRow kReasons[] = {
    {Reason::success, "Success",
     in(connack, puback, pubrec, pubrel, pubcomp, suback, unsuback, disconnect, auth)},
    {Reason::granted_qos1, "Granted QoS 1", in(suback)},
    {Reason::granted_qos2, "Granted QoS 2", in(suback)},
    {Reason::disconnect_with_will, "Disconnect with Will Message", in(disconnect)},
    {Reason::no_matching_subscribers, "No matching subscribers", in(puback, pubrec)},
    {Reason::no_subscription_existed, "No subscription existed", in(unsuback)},
    {Reason::continue_authentication, "Continue authentication", in(auth)},
    {Reason::re_authenticate, "Re-authenticate", in(auth)},
    {Reason::unspecified_error, "Unspecified error",
     in(connack, puback, pubrec, suback, unsuback, disconnect)},
    {Reason::malformed_packet, "Malformed Packet", in(connack, disconnect)},
    {Reason::protocol_error, "Protocol Error", in(connack, disconnect)},
    {Reason::implementation_specific_error, "Implementation specific error",
     in(connack, puback, pubrec, suback, unsuback, disconnect)},
    {Reason::unsupported_protocol_version, "Unsupported Protocol Version", in(connack)},
    {Reason::client_identifier_not_valid, "Client Identifier not valid", in(connack)},
    {Reason::bad_user_name_or_password, "Bad User Name or Password", in(connack)},
    {Reason::not_authorized, "Not authorized",
     in(connack, puback, pubrec, suback, unsuback, disconnect)},
    {Reason::server_unavailable, "Server unavailable", in(connack)},
    {Reason::server_busy, "Server busy", in(connack, disconnect)},
    {Reason::banned, "Banned", in(connack)},
    {Reason::server_shutting_down, "Server shutting down", in(disconnect)},
    {Reason::bad_authentication_method, "Bad authentication method", in(connack, disconnect)},
    {Reason::keep_alive_timeout, "Keep Alive timeout", in(disconnect)},
    {Reason::session_taken_over, "Session taken over", in(disconnect)},
    {Reason::topic_filter_invalid, "Topic Filter invalid", in(suback, unsuback, disconnect)},
    {Reason::topic_name_invalid, "Topic Name invalid", in(connack, puback, pubrec, disconnect)},
    {Reason::packet_identifier_in_use, "Packet Identifier in use",
     in(puback, pubrec, suback, unsuback)},
    {Reason::packet_identifier_not_found, "Packet Identifier not found", in(pubrel, pubcomp)},
    {Reason::receive_maximum_exceeded, "Receive Maximum exceeded", in(disconnect)},
    {Reason::topic_alias_invalid, "Topic Alias invalid", in(disconnect)},
    {Reason::packet_too_large, "Packet too large", in(connack, disconnect)},
    {Reason::message_rate_too_high, "Message rate too high", in(disconnect)},
    {Reason::quota_exceeded, "Quota exceeded", in(connack, puback, pubrec, suback, disconnect)},
    {Reason::administrative_action, "Administrative action", in(disconnect)},
    {Reason::payload_format_invalid, "Payload format invalid",
     in(connack, puback, pubrec, disconnect)},
    {Reason::retain_not_supported, "Retain not supported", in(connack, disconnect)},
    {Reason::qos_not_supported, "QoS not supported", in(connack, disconnect)},
    {Reason::use_another_server, "Use another server", in(connack, disconnect)},
    {Reason::server_moved, "Server moved", in(connack, disconnect)},
    {Reason::shared_subscriptions_not_supported, "Shared Subscriptions not supported",
     in(suback, disconnect)},
    {Reason::connection_rate_exceeded, "Connection rate exceeded", in(connack, disconnect)},
    {Reason::maximum_connect_time, "Maximum connect time", in(disconnect)},
    {Reason::subscription_identifiers_not_supported, "Subscription Identifiers not supported",
     in(suback, disconnect)},
    {Reason::wildcard_subscriptions_not_supported, "Wildcard Subscriptions not supported",
     in(suback, disconnect)},
};

const ReasonRow* find(Reason reason) noexcept {
  const auto* row =
      std::lower_bound(std::begin(kReasons), std::end(kReasons), reason,
                       [](const ReasonRow& at, Reason wanted) { return at.reason < wanted; });
  return row != std::end(kReasons) && row->reason == reason ? row : nullptr;
}

} // namespace

std::string_view name_of(Reason reason) noexcept {
  const ReasonRow* row = find(reason);
  return row != nullptr ? row->name : "unknown";
}

bool reason_allowed(PacketType type, std::uint8_t code) noexcept {
  const ReasonRow* row = find(static_cast<Reason>(code));
  return row != nullptr && (row->packets >> static_cast<unsigned>(type) & 1u) != 0;
}

std::string_view name_of(PacketType type) noexcept {
  constexpr std::string_view kNames[] = {"CONNECT",  "CONNACK",     "PUBLISH",  "PUBACK",
                                         "PUBREC",   "PUBREL",      "PUBCOMP",  "SUBSCRIBE",
                                         "SUBACK",   "UNSUBSCRIBE", "UNSUBACK", "PINGREQ",
                                         "PINGRESP", "DISCONNECT",  "AUTH"};
  const auto index = static_cast<std::size_t>(type) - 1;
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

std::uint8_t connack_return_code(Reason reason) noexcept {
  if (static_cast<std::uint8_t>(reason) < 0x80) {
    return 0;
  }
  switch (reason) {
  case Reason::unsupported_protocol_version:
    return 1;
  case Reason::client_identifier_not_valid:
    return 2;
  case Reason::bad_user_name_or_password:
  case Reason::bad_authentication_method:
    return 4;
  case Reason::not_authorized:
  case Reason::banned:
    return 5;
  default:
    return 3; // Server unavailable: the only code that does not blame the client's words.
  }
}

Reason reason_for(Errc code) noexcept {
  switch (code) {
  case Errc::malformed_packet:
    return Reason::malformed_packet;
  case Errc::protocol_error:
    return Reason::protocol_error;
  case Errc::unsupported_protocol:
    return Reason::unsupported_protocol_version;
  case Errc::packet_too_large:
    return Reason::packet_too_large;
  case Errc::topic_invalid:
    return Reason::topic_name_invalid;
  case Errc::filter_invalid:
    return Reason::topic_filter_invalid;
  case Errc::client_id_invalid:
    return Reason::client_identifier_not_valid;
  case Errc::malformed_payload:
    return Reason::payload_format_invalid;
  case Errc::storage_full:
    return Reason::quota_exceeded;
  case Errc::storage_io:
  case Errc::storage_corrupt:
  case Errc::storage_unavailable:
    return Reason::implementation_specific_error; // Fits CONNACK, PUBACK and DISCONNECT alike.
  default:
    return Reason::unspecified_error;
  }
}

} // namespace spate::wire
