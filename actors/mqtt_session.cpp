#include "actors/mqtt_session.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "actors/mqtt_commands.hpp"
#include "actors/mqtt_deliveries.hpp"
#include "actors/mqtt_kept.hpp"
#include "actors/mqtt_publishing.hpp"
#include "actors/own_messages.hpp"

namespace spate::actors {

namespace {

using wire::PacketType;
using wire::Reason;
using wire::Version;

/// A keep-alive is over after one and a half of it [MQTT-3.1.2-24].
constexpr std::uint64_t grace_ms(std::uint16_t keep_alive_s) {
  return keep_alive_s * 1500ull;
}

/// Without a keep-alive nothing is awaited; the timer only looks again after this.
constexpr std::uint64_t kIdleTimerMs = 600'000;

constexpr std::size_t kReasonStringBytesMax = 200;

/// Whether a connection that is refused before it is connected hears why: bytes that are no CONNECT
/// get no answer [MQTT-3.1.4-1].
bool answers_in_connack(Reason reason) {
  switch (reason) {
  case Reason::bad_authentication_method:
  case Reason::client_identifier_not_valid:
  case Reason::unsupported_protocol_version:
  case Reason::server_unavailable:
  case Reason::server_busy:
  case Reason::quota_exceeded:
    return true;
  default:
    return false;
  }
}

/// Not to be guessed, and no other loop makes the same.
std::string made_up_client_id(SessionContext& context) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string id = "auto-";
  for (std::uint64_t bits = context.random(), i = 0; i < 16; ++i, bits >>= 4) {
    id.push_back(kDigits[bits & 15]);
  }
  return id;
}

/// The start of `text`, not cut within a character.
std::string_view start_of(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) {
    return text;
  }
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xc0) == 0x80) {
    --bytes_max;
  }
  return text.substr(0, bytes_max);
}

} // namespace

MqttSession::MqttSession(SessionContext& context, SessionPort& port, std::uint32_t slot,
                         std::uint32_t generation)
    : context_(context), port_(port), slot_(slot), generation_(generation),
      packet_bytes_max_(std::numeric_limits<std::uint32_t>::max()),
      active_ms_(context.loop.now_ms()) {
  port_.set_packet_bytes_max(context.limits.connect_bytes_max);
}

MqttSession::~MqttSession() = default;

std::size_t MqttSession::on_bytes(std::string_view bytes) {
  if (state_ == State::connected) { // The CONNECT has a deadline, however its bytes trickle in.
    active_ms_ = context_.loop.now_ms();
  }
  std::size_t used = 0;
  while (state_ != State::closing && state_ != State::opening && !paused_ && !held_) {
    const std::size_t limit = state_ == State::waiting ? context_.limits.connect_bytes_max
                                                       : context_.limits.packet_bytes_max;
    const wire::FrameResult next = wire::next_frame(bytes.substr(used), limit);
    if (next.status == wire::FrameStatus::partial) {
      port_.expect(next.bytes);
      break;
    }
    if (next.status != wire::FrameStatus::complete) {
      const bool large = next.status == wire::FrameStatus::too_large;
      refuse(large ? Reason::packet_too_large : Reason::malformed_packet,
             large ? "the packet has " + std::to_string(next.bytes) + " bytes; the limit is " +
                         std::to_string(limit)
                   : std::string("the fixed header is not valid [MQTT-2.1.4]"));
      break;
    }
    if (!on_frame(next.frame)) {
      break; // Not taken: it is shown again when the connection is read on.
    }
    used += next.bytes;
    context_.counters.packets.add();
  }
  if (state_ == State::closing) {
    return bytes.size();
  }
  context_.counters.bytes.add(used);
  return used;
}

/// False if the frame must wait.
bool MqttSession::on_frame(const wire::Frame& frame) {
  if (frame.type == PacketType::publish && state_ == State::connected) {
    return on_publish(frame);
  }
  if (state_ == State::waiting) {
    if (frame.type == PacketType::connect) {
      on_connect(frame);
    } else {
      refuse(Reason::protocol_error, "the first packet is not CONNECT [MQTT-3.1.0-1]");
    }
    return true;
  }
  switch (frame.type) {
  case PacketType::puback:
  case PacketType::pubrec:
  case PacketType::pubcomp:
    on_answer(frame);
    break;
  case PacketType::pubrel:
    on_pubrel(frame);
    break;
  case PacketType::subscribe:
    on_subscribe(frame);
    break;
  case PacketType::unsubscribe:
    on_unsubscribe(frame);
    break;
  case PacketType::pingreq:
    if (const auto ping = wire::decode_ping(frame, version_); !ping) {
      refuse(ping.error());
    } else {
      wire::append_pingresp(port_.output());
      port_.sent();
    }
    break;
  case PacketType::disconnect:
    if (const auto packet = wire::decode_disconnect(frame, version_); !packet) {
      refuse(packet.error());
    } else if (!asked_for_expiry_ && packet->session_expiry_s.value_or(0) != 0) {
      refuse(Reason::protocol_error,
             "a session expiry that was 0 at CONNECT can not be raised [MQTT5-3.14.2.2.2]");
    } else {
      say_goodbye(*packet);
    }
    break;
  case PacketType::connect:
    refuse(Reason::protocol_error, "a second CONNECT [MQTT-3.1.0-2]");
    break;
  default:
    refuse(Reason::protocol_error,
           std::string(name_of(frame.type)) + " is not expected from a client here");
    break;
  }
  return true;
}

void MqttSession::say_goodbye(const wire::Disconnect& packet) {
  // [MQTT-3.14.4-3]; any other reason lets it be published [MQTT5-3.14.4-3].
  const bool forget_will = packet.reason == Reason::success;
  if (forget_will) {
    will_ = nullptr;
  }
  if (kept_) {
    kept_->forget_will = forget_will;
    if (packet.session_expiry_s) {
      kept_->expiry_s = std::min(*packet.session_expiry_s, context_.limits.session_expiry_s_max);
    }
  }
  leave();
}

void MqttSession::leave() {
  part();
  port_.close();
}

/// Nothing is taken from the client any more, and nobody counts on it. Its will goes out now, not
/// after the time that its socket is given to take our last words.
void MqttSession::part() {
  const bool was_welcomed = std::exchange(state_, State::closing) == State::connected;
  leave_commands();
  while (asked_ && !asked_->changes.empty()) {
    apply_first_change(); // The store may have it; it is told next that we are gone.
  }
  leave_store();
  leave_index();
  const auto will = std::move(will_);
  if (will && was_welcomed) {
    // The session ends with its connection: no Will Delay is left to wait for (MQTT5-3.1.3-9).
    publish_own(context_.messages, context_.door, message_of(*will, context_.loop.wall_now_ms()));
  }
}

void MqttSession::on_connect(const wire::Frame& frame) {
  const auto connect = wire::decode_connect(frame);
  if (!connect) {
    refuse_connect(frame, connect.error());
    return;
  }
  version_ = connect->version;
  if (connect->packet_bytes_max != 0) {
    packet_bytes_max_ = connect->packet_bytes_max;
  }
  client_receive_maximum_ = connect->receive_maximum;
  client_aliases_ = std::min(connect->topic_alias_maximum, kAliasesToClientMax);
  wants_problem_information_ = connect->request_problem_information;
  if (connect->authentication_method) {
    refuse(Reason::bad_authentication_method, "no enhanced authentication is configured");
    return;
  }
  asked_for_expiry_ = connect->session_expiry_s != 0;
  if (connect->will) {
    keep_will(*connect->will);
  }
  const SessionLimits& limits = context_.limits;
  opening_ = std::make_unique<Opening>();
  Opening& opening = *opening_;
  opening.clean_start = connect->clean_start;
  client_id_ = connect->client_id;
  if (client_id_.empty()) {
    client_id_ = made_up_client_id(context_);
    opening.id_assigned = true;
  }
  keep_alive_s_ = connect->keep_alive_s;
  if (version_ == Version::v5) {
    if (keep_alive_s_ == 0 || keep_alive_s_ > limits.keep_alive_s_max) {
      keep_alive_s_ = limits.keep_alive_s_max;
      opening.keep_alive_changed = true;
    }
    opening.asked_expiry_s = connect->session_expiry_s;
  } else if (!connect->clean_start) {
    opening.asked_expiry_s = storage::kNeverExpires; // [MQTT-3.1.2-4]
  }
  opening.expiry_s =
      context_.door.is_open() ? std::min(opening.asked_expiry_s, limits.session_expiry_s_max) : 0;
  state_ = State::opening;
  port_.pause_reading(true);
  port_.claim(client_id_);
}

void MqttSession::welcome(bool session_present) {
  const SessionLimits& limits = context_.limits;
  const std::unique_ptr<Opening> opening = std::move(opening_);
  wire::Connack connack;
  connack.version = version_;
  connack.session_present = session_present;
  if (opening->id_assigned) {
    connack.assigned_client_id = client_id_;
  }
  if (version_ == Version::v5) {
    if (opening->keep_alive_changed) {
      connack.server_keep_alive_s = keep_alive_s_;
    }
    if (opening->asked_expiry_s != opening->expiry_s) {
      connack.session_expiry_s = opening->expiry_s;
    }
    connack.receive_maximum = limits.receive_maximum;
    connack.packet_bytes_max = static_cast<std::uint32_t>(limits.packet_bytes_max);
    connack.topic_alias_maximum = limits.topic_alias_maximum;
    connack.user_properties.emplace_back("spate-durability", context_.durability);
  }
  const auto append = [&connack](std::string& out) { wire::append_connack(out, connack); };
  if (!send_within(append)) {
    connack.user_properties.clear();
    if (!send_within(append)) {
      will_ = nullptr; // Its connection was never accepted.
      refuse(Reason::packet_too_large, "the client takes no packet as large as a CONNACK");
      return;
    }
  }
  state_ = State::connected;
  active_ms_ = context_.loop.now_ms();
  port_.set_packet_bytes_max(limits.packet_bytes_max);
  port_.pause_reading(false);
  context_.counters.connects.add();
  if (kept_) {
    kept_->counted = true;
    context_.counters.kept_connections.add();
  }
}

void MqttSession::on_taken_over() {
  if (state_ != State::closing) {
    context_.counters.taken_over.add();
    refuse(Reason::session_taken_over, "another connection uses this client id");
  }
}

void MqttSession::on_shutdown() {
  if (state_ != State::closing) {
    refuse(Reason::server_shutting_down, "the server is stopping");
  }
}

std::uint64_t MqttSession::on_timer(std::uint64_t now_ms) {
  return std::min(on_silence_timer(now_ms), on_hot_timer(now_ms));
}

std::uint64_t MqttSession::on_silence_timer(std::uint64_t now_ms) {
  if (state_ == State::closing) {
    return kIdleTimerMs;
  }
  const std::uint64_t allowed_ms =
      state_ == State::waiting ? context_.limits.connect_timeout_ms : grace_ms(keep_alive_s_);
  if (allowed_ms == 0) {
    return kIdleTimerMs; // 3.1.1 with keep-alive 0: TCP's own keep-alive finds dead peers.
  }
  // A connection that we do not read is not silent: its bytes wait in the kernel.
  const std::uint64_t silent_ms = now_ms - std::max(active_ms_, context_.loop.reading_resumed_ms());
  if (silent_ms < allowed_ms || paused_ || held_ || state_ == State::opening ||
      context_.loop.reading_paused()) {
    return allowed_ms - std::min(silent_ms, allowed_ms - 1);
  }
  refuse(Reason::keep_alive_timeout, state_ == State::waiting
                                         ? "no CONNECT within the connect timeout"
                                         : "nothing was heard for 1.5 x keep-alive");
  return kIdleTimerMs;
}

void MqttSession::refuse(Reason reason, std::string_view detail) {
  if (state_ == State::closing) {
    return;
  }
  context_.counters.refused[static_cast<std::size_t>(reason)].add();
  log_refusal(reason, detail);
  // With words if they fit, else without; if even that is too large for the client, not at all.
  say_why(reason, start_of(detail, kReasonStringBytesMax)) || say_why(reason, {});
  leave();
}

void MqttSession::on_closed() {
  if (kept_ && kept_->counted) {
    context_.counters.kept_connections.sub();
  }
  part(); // Perhaps again: then there is nothing left to do.
  if (publishing_) {
    for (const std::string& device : std::exchange(publishing_->present, {})) {
      context_.presence.leave(device);
    }
  }
  if (commands_) {
    for (const auto& [device, filters] : commands_->devices) {
      context_.presence.leave(device);
    }
  }
}

/// False if it is larger than the client takes.
bool MqttSession::say_why(Reason reason, std::string_view words) {
  if (state_ == State::connected && version_ == Version::v5) {
    wire::Disconnect packet;
    packet.reason = reason;
    packet.reason_string = words;
    return send_within([&](std::string& out) { wire::append_disconnect(out, packet, version_); });
  }
  if ((state_ == State::waiting || state_ == State::opening) &&
      (version_ == Version::v5 || answers_in_connack(reason))) {
    wire::Connack connack;
    connack.version = version_;
    connack.reason = reason;
    connack.reason_string = words;
    return send_within([&](std::string& out) { wire::append_connack(out, connack); });
  }
  return true;
}

/// A CONNECT that can not be decoded is answered in the sender's version, if it can read that.
void MqttSession::refuse_connect(const wire::Frame& frame, const Error& error) {
  version_ = wire::connack_version(frame);
  refuse(wire::reason_for(error.code), error.detail);
}

void MqttSession::log_refusal(Reason reason, std::string_view detail) {
  if (reason == Reason::server_shutting_down || !context_.log_limit.allow(steady_ns())) {
    return;
  }
  const std::string address = port_.remote_address();
  log::warn("session-refused", detail,
            {{"client_id", std::string_view(client_id_)},
             {"remote", std::string_view(address)},
             {"reason", name_of(reason)},
             {"not_logged", context_.log_limit.take_suppressed()}});
}

} // namespace spate::actors
