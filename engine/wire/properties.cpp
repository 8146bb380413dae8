#include "engine/wire/properties.hpp"

#include <array>

namespace spate::wire {

namespace {

enum class Form : std::uint8_t {
  unknown,
  flag, ///< A byte of 0 or 1.
  two_bytes,
  two_bytes_not_0,
  four_bytes,
  four_bytes_not_0,
  variable_not_0,
  text,
  topic,
  binary,
  pair,
};

struct Rule {
  Form form = Form::unknown;
  std::uint16_t places = 0; ///< A bit for each PropertyPlace.
  const char* name = "property";
};

template <class... Types>
constexpr std::uint16_t in(Types... types) {
  return static_cast<std::uint16_t>(((1u << static_cast<unsigned>(types)) | ...));
}

/// Table 2-4 of the standard.
constexpr std::array<Rule, 43> make_rules() {
  using P = PropertyId;
  using enum PacketType;
  constexpr auto kWill = PropertyPlace::will;
  constexpr std::uint16_t kMessage = in(publish, kWill);
  constexpr std::uint16_t kReasoned =
      in(connack, puback, pubrec, pubrel, pubcomp, suback, unsuback, PacketType::disconnect, auth);
  std::array<Rule, 43> rules{};
  const auto set = [&rules](P id, Form form, std::uint16_t places, const char* name) {
    rules[static_cast<std::size_t>(id)] = Rule{form, places, name};
  };
  set(P::payload_format, Form::flag, kMessage, "Payload Format Indicator");
  set(P::message_expiry, Form::four_bytes, kMessage, "Message Expiry Interval");
  set(P::content_type, Form::text, kMessage, "Content Type");
  set(P::response_topic, Form::topic, kMessage, "Response Topic");
  set(P::correlation_data, Form::binary, kMessage, "Correlation Data");
  set(P::subscription_id, Form::variable_not_0, in(publish, subscribe), "Subscription Identifier");
  set(P::session_expiry, Form::four_bytes, in(connect, connack, disconnect),
      "Session Expiry Interval");
  set(P::assigned_client_id, Form::text, in(connack), "Assigned Client Identifier");
  set(P::server_keep_alive, Form::two_bytes, in(connack), "Server Keep Alive");
  set(P::authentication_method, Form::text, in(connect, connack, auth), "Authentication Method");
  set(P::authentication_data, Form::binary, in(connect, connack, auth), "Authentication Data");
  set(P::request_problem_information, Form::flag, in(connect), "Request Problem Information");
  set(P::will_delay, Form::four_bytes, in(kWill), "Will Delay Interval");
  set(P::request_response_information, Form::flag, in(connect), "Request Response Information");
  set(P::response_information, Form::text, in(connack), "Response Information");
  set(P::server_reference, Form::text, in(connack, disconnect), "Server Reference");
  set(P::reason_string, Form::text, kReasoned, "Reason String");
  set(P::receive_maximum, Form::two_bytes_not_0, in(connect, connack), "Receive Maximum");
  set(P::topic_alias_maximum, Form::two_bytes, in(connect, connack), "Topic Alias Maximum");
  set(P::topic_alias, Form::two_bytes_not_0, in(publish), "Topic Alias");
  set(P::maximum_qos, Form::flag, in(connack), "Maximum QoS");
  set(P::retain_available, Form::flag, in(connack), "Retain Available");
  set(P::user, Form::pair,
      static_cast<std::uint16_t>(kMessage | kReasoned | in(connect, subscribe, unsubscribe)),
      "User Property");
  set(P::packet_bytes_max, Form::four_bytes_not_0, in(connect, connack), "Maximum Packet Size");
  set(P::wildcard_subscription_available, Form::flag, in(connack),
      "Wildcard Subscription Available");
  set(P::subscription_ids_available, Form::flag, in(connack), "Subscription Identifiers Available");
  set(P::shared_subscription_available, Form::flag, in(connack), "Shared Subscription Available");
  return rules;
}
constexpr std::array<Rule, 43> kRules = make_rules();

/// Reads the value of a property in the form that its rule asks for.
void read_value(PacketReader& in, const Rule& rule, Property& out) noexcept {
  bool in_range = true;
  switch (rule.form) {
  case Form::flag:
    out.number = in.byte(rule.name);
    in_range = out.number <= 1;
    break;
  case Form::two_bytes:
  case Form::two_bytes_not_0:
    out.number = in.two_bytes(rule.name);
    in_range = rule.form == Form::two_bytes || out.number != 0;
    break;
  case Form::four_bytes:
  case Form::four_bytes_not_0:
    out.number = in.four_bytes(rule.name);
    in_range = rule.form == Form::four_bytes || out.number != 0;
    break;
  case Form::variable_not_0:
    out.number = in.variable(rule.name);
    in_range = out.number != 0;
    break;
  case Form::text:
    out.text = in.text(rule.name);
    break;
  case Form::topic:
    out.text = in.binary(rule.name);
    if (in.ok()) {
      in.check_topic(out.text, rule.name);
    }
    break;
  case Form::binary:
    out.text = in.binary(rule.name);
    break;
  case Form::pair:
    out.text = in.text("User Property name");
    out.value = in.text("User Property value");
    break;
  case Form::unknown:
    break;
  }
  if (!in_range) {
    in.refuse(Errc::protocol_error, rule.name, "is out of range [MQTT5-3.1.2.11, MQTT5-3.3.2.3]");
  }
}

} // namespace

bool PropertyReader::read(Property& property) noexcept {
  const std::uint32_t id = block_.variable("property identifier");
  const Rule rule = id < kRules.size() ? kRules[id] : Rule{};
  const std::uint64_t bit = std::uint64_t{1} << (id & 63);
  property = Property{};
  property.id = static_cast<PropertyId>(id);

  if (rule.form == Form::unknown) {
    block_.refuse(Errc::malformed_packet, "property identifier", "is unknown [MQTT5-2.2.2.2]");
  } else if ((rule.places >> static_cast<unsigned>(place_) & 1u) == 0) {
    block_.refuse(Errc::malformed_packet, rule.name,
                  "is not a property of this packet [MQTT5-2.2.2.2]");
  } else if (property.id == PropertyId::user) {
    if (++user_count_ > kUserPropertiesMax) {
      block_.refuse(Errc::protocol_error, rule.name,
                    "stands there more than 32 times, the limit here [MQTT5-4.13.1]");
    }
  } else if (property.id == PropertyId::subscription_id &&
             place_ == place_of(PacketType::publish)) {
    if (++subscription_id_count_ > kSubscriptionIdsPerPublishMax) {
      block_.refuse(Errc::protocol_error, rule.name,
                    "stands there more than 128 times, the limit here [MQTT5-4.13.1]");
    }
  } else if ((seen_ & bit) != 0) {
    block_.refuse(Errc::protocol_error, rule.name, "is repeated [MQTT5-2.2.2.2]");
  }
  seen_ |= bit;
  if (block_.ok()) {
    read_value(block_, rule, property);
  }
  packet_.adopt(block_);
  return block_.ok();
}
static_assert(kUserPropertiesMax == 32 && kSubscriptionIdsPerPublishMax == 128,
              "the texts above name the limits");

} // namespace spate::wire
