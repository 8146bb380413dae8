#include "loadgen/fleet/client_session.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "engine/wire/codec.hpp"
#include "loadgen/base/texts.hpp"

namespace spate::loadgen {

namespace {

constexpr std::string_view kPlace = "{device}";
constexpr std::uint32_t kSessionExpiryS = 3600; // Longer than any outage that a test makes.
constexpr std::uint16_t kSubscribeId = 0xffff;
static_assert(ClientSession::kAnswerIdMin > InFlightTable::kIdMax &&
              ClientSession::kAnswerIdMax < kSubscribeId);

/// Remaining Length [MQTT-2.2.3].
char* write_length(char* to, std::size_t length) noexcept {
  do {
    const auto byte = static_cast<unsigned char>(length & 0x7f);
    length >>= 7;
    *to++ = static_cast<char>(length != 0 ? byte | 0x80 : byte);
  } while (length != 0);
  return to;
}

char* write_u16(char* to, std::size_t value) noexcept {
  *to++ = static_cast<char>(value >> 8);
  *to++ = static_cast<char>(value & 0xff);
  return to;
}

std::size_t length_bytes(std::size_t length) noexcept {
  return length < 128 ? 1 : length < 16'384 ? 2 : length < 2'097'152 ? 3 : 4;
}

wire::Frame frame_of(std::uint8_t first, std::string_view body) noexcept {
  return {static_cast<wire::PacketType>(first >> 4), static_cast<std::uint8_t>(first & 0x0f), body};
}

} // namespace

TopicTemplate::TopicTemplate(std::string_view text) : parts_(split(text, kPlace)) {
  for (const std::string& part : parts_) {
    fixed_bytes_ += part.size();
  }
}

char* TopicTemplate::write(char* to, std::string_view device) const noexcept {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (i != 0) {
      to += device.copy(to, device.size());
    }
    to += parts_[i].copy(to, parts_[i].size());
  }
  return to;
}

std::string TopicTemplate::text(std::string_view device) const {
  std::string topic(size(device), '\0');
  write(topic.data(), device);
  return topic;
}

ClientSession::ClientSession(const SessionOptions& options, const DeviceShare& share,
                             std::uint32_t connection)
    : options_(options), share_(share), connection_(connection), window_(options.window) {
  assert(options.window > 0 && options.window <= InFlightTable::kMessagesMax);
}

void ClientSession::connect(std::string& out, bool expired) {
  char buffer[DeviceNames::kNameBytesMax];
  char name_buffer[DeviceNames::kNameBytesMax];
  const std::string_view client = share_.client(connection_, buffer);
  const std::string_view device = share_.device_or_client(connection_, name_buffer);
  std::string user = options_.user.text(device);
  if (expired && user.empty()) { // 3.1.1 has no password without a user name [MQTT-3.1.2-22].
    user = client;
  }
  const std::string password = expired ? "expired" : options_.password.text(device);
  wire::Connect packet;
  packet.version = options_.version;
  packet.clean_start = options_.clean;
  packet.keep_alive_s = options_.keep_alive_s;
  packet.client_id = client;
  if (!user.empty()) {
    packet.user_name = user;
  }
  if (!password.empty()) {
    packet.password = password;
  }
  packet.session_expiry_s = options_.clean ? 0 : kSessionExpiryS;
  packet.packet_bytes_max = static_cast<std::uint32_t>(options_.packet_bytes_max());
  wire::append_connect(out, packet);
  state_ = State::connecting;
}

std::size_t ClientSession::publish(std::string& out, Payloads& payloads, const Message& message) {
  assert(can_publish());
  const std::uint16_t id = options_.qos == 0 ? std::uint16_t{0} : waiting_.add(message).id;
  return append_publish(out, payloads, message, id, false);
}

// The hot path: one growth of the buffer a packet, no value that is built first. A test holds it
// against wire::append_publish.
std::size_t ClientSession::append_publish(std::string& out, Payloads& payloads,
                                          const Message& message, std::uint16_t id,
                                          bool dup) const {
  const bool v5 = options_.version == wire::Version::v5;
  char buffer[DeviceNames::kNameBytesMax];
  const std::string_view device =
      share_.names->name(share_.number(connection_, message.member), buffer);
  const std::size_t topic_bytes = options_.topic.size(device);
  const std::string_view payload = payloads.text(message);
  const std::size_t payload_bytes = payload.size();
  const std::size_t length = 2 + topic_bytes + (id != 0 ? 2u : 0u) + (v5 ? 1u : 0u) + payload_bytes;
  const std::size_t start = out.size();
  out.resize(start + 1 + length_bytes(length) + length);
  char* to = out.data() + start;
  *to++ = static_cast<char>(0x30 | (dup ? 0x08 : 0) | (options_.qos << 1));
  to = write_length(to, length);
  to = write_u16(to, topic_bytes);
  to = options_.topic.write(to, device);
  if (id != 0) {
    to = write_u16(to, id);
  }
  if (v5) {
    *to++ = 0; // No properties.
  }
  payload.copy(to, payload_bytes);
  return payload_bytes;
}

std::size_t ClientSession::resend(std::string& out, Payloads& payloads, bool session_present) {
  const auto entries = waiting_.in_order();
  for (InFlight* entry : entries) {
    entry->received = entry->received && session_present;
    if (entry->received) {
      wire::append_ack(out, {wire::PacketType::pubrel, entry->id, {}, {}, {}}, options_.version);
    } else {
      append_publish(out, payloads, entry->message, entry->id, session_present);
    }
  }
  return entries.size();
}

void ClientSession::ping(std::string& out) const {
  wire::append_pingreq(out);
}

void ClientSession::disconnect(std::string& out) {
  wire::Disconnect packet;
  packet.session_expiry_s = 0; // Leaves no session behind (MQTT 5 only).
  wire::append_disconnect(out, packet, options_.version);
}

Result<std::size_t> ClientSession::receive(std::string_view bytes, std::string& out,
                                           SessionEvents& events) {
  std::size_t used = 0;
  while (used < bytes.size()) {
    const std::string_view rest = bytes.substr(used);
    // A PUBACK without reason is nearly all that a flood brings: four bytes, read here.
    if (rest.size() >= 4 && rest[0] == '\x40' && rest[1] == '\x02') {
      const auto id = static_cast<std::uint16_t>(static_cast<unsigned char>(rest[2]) << 8 |
                                                 static_cast<unsigned char>(rest[3]));
      if (auto read = on_ack(wire::PacketType::puback, id, wire::Reason::success, out, events);
          !read) {
        return fail(std::move(read.error()));
      }
      used += 4;
      continue;
    }
    const wire::FrameResult next = wire::next_frame(rest, options_.packet_bytes_max());
    if (next.status == wire::FrameStatus::partial) {
      break;
    }
    if (next.status == wire::FrameStatus::malformed) {
      return fail(Errc::malformed_packet, "the server sent a malformed packet");
    }
    if (next.status == wire::FrameStatus::too_large) {
      return fail(Errc::packet_too_large, "the server sent a packet that is larger than allowed");
    }
    const auto first =
        static_cast<std::uint8_t>(static_cast<unsigned>(next.frame.type) << 4 | next.frame.flags);
    if (auto read = on_packet(first, next.frame.body, out, events); !read) {
      return fail(std::move(read.error()));
    }
    used += next.bytes;
  }
  return used;
}

Result<void> ClientSession::on_packet(std::uint8_t first, std::string_view body, std::string& out,
                                      SessionEvents& events) {
  const wire::Frame frame = frame_of(first, body);
  if (state_ != State::online) {
    if (frame.type != wire::PacketType::connack || state_ != State::connecting) {
      return fail(Errc::protocol_error, "the server's first packet is no CONNACK");
    }
    if (auto read = on_connack(body, events); !read || !options_.subscribes()) {
      return read;
    }
    subscribe(out);
    return {};
  }
  switch (frame.type) {
  case wire::PacketType::puback:
  case wire::PacketType::pubrec:
  case wire::PacketType::pubcomp: {
    const auto ack = wire::decode_ack(frame, options_.version);
    if (!ack) {
      return fail(ack.error().code, "the server sent a malformed acknowledgement");
    }
    return on_ack(ack->type, ack->packet_id, ack->reason, out, events);
  }
  case wire::PacketType::pingresp:
    if (!wire::decode_ping(frame, options_.version)) {
      return fail(Errc::malformed_packet, "the server sent a malformed PINGRESP");
    }
    events.on_pong();
    return {};
  case wire::PacketType::disconnect: {
    const auto packet = wire::decode_disconnect(frame, options_.version);
    if (!packet || options_.version != wire::Version::v5) {
      return fail(Errc::malformed_packet, "the server sent a malformed DISCONNECT");
    }
    return fail(Errc::connect_failed,
                "server disconnected: " + std::string(wire::name_of(packet->reason)));
  }
  case wire::PacketType::suback:
    if (options_.subscribes() && !subscribed_) {
      return on_suback(frame, events);
    }
    break;
  case wire::PacketType::publish:
    if (options_.subscribes()) {
      return on_publish(frame, out, events);
    }
    break;
  case wire::PacketType::pubrel:
    if (options_.subscribe_qos == 2 && options_.subscribes()) {
      return on_pubrel(frame, out);
    }
    break;
  default:
    break;
  }
  return fail(Errc::protocol_error,
              "the server sent an unexpected " + std::string(wire::name_of(frame.type)));
}

Result<void> ClientSession::on_connack(std::string_view body, SessionEvents& events) {
  const auto packet = wire::decode_connack({wire::PacketType::connack, 0, body}, options_.version);
  if (!packet) {
    return fail(packet.error().code, "the server sent a malformed CONNACK");
  }
  if (packet->reason != wire::Reason::success) {
    return fail(Errc::connect_failed, "refused: " + std::string(wire::name_of(packet->reason)));
  }
  if (packet->maximum_qos && *packet->maximum_qos < options_.qos) {
    return fail(Errc::connect_failed, "refused: the server's maximum QoS is lower");
  }
  // MQTT5-3.3.4-9; only QoS 1 and 2 count.
  window_ = options_.window;
  answers_in_flight_ = 0;
  receive_maximum_ = packet->receive_maximum ? *packet->receive_maximum : kNoMaximum;
  if (options_.qos > 0) {
    window_ = std::min(window_, receive_maximum_);
  }
  if (options_.commands) { // A part of the Receive Maximum is kept for answers.
    answers_max_ = std::clamp(receive_maximum_ / 4, 1u, kAnswersInFlightMax);
    window_ = std::min(window_, std::max(receive_maximum_ - answers_max_, 1u));
  }
  if (!packet->session_present) {
    received_.clear();
  }
  state_ = State::online;
  events.on_online(packet->session_present);
  return {};
}

Result<void> ClientSession::on_ack(wire::PacketType type, std::uint16_t id, wire::Reason reason,
                                   std::string& out, SessionEvents& events) {
  if (id >= kAnswerIdMin && options_.commands && state_ == State::online) {
    return on_answer_ack(type, id, reason, events);
  }
  InFlight* entry = state_ == State::online ? waiting_.find(id) : nullptr;
  if (entry == nullptr) {
    return fail(Errc::protocol_error, "the server acknowledged an unknown packet identifier");
  }
  const bool wanted = options_.qos == 1 ? type == wire::PacketType::puback
                      : entry->received ? type != wire::PacketType::puback
                                        : type == wire::PacketType::pubrec;
  if (!wanted) {
    return fail(Errc::protocol_error, "the server sent the wrong acknowledgement");
  }
  const bool refused = static_cast<std::uint8_t>(reason) >= 0x80;
  if (type == wire::PacketType::pubrec && !refused) {
    entry->received = true;
    wire::append_ack(out, {wire::PacketType::pubrel, id, {}, {}, {}}, options_.version);
    return {};
  }
  const Message message = entry->message;
  waiting_.remove(*entry);
  // A PUBCOMP that does not know the identifier ends a handshake that the server had finished
  // before, MQTT5-3.7.2.1: only a server that has kept the session gets a PUBREL again.
  const bool finished = type == wire::PacketType::pubcomp;
  events.on_answered(message, finished ? wire::Reason::success : reason);
  return {};
}

void ClientSession::subscribe(std::string& out) const {
  char buffer[DeviceNames::kNameBytesMax];
  const std::string filter = options_.subscribe.text(share_.device_or_client(connection_, buffer));
  wire::Subscribe packet;
  packet.packet_id = kSubscribeId;
  packet.subscriptions.push_back({.filter = filter, .qos = options_.subscribe_qos});
  wire::append_subscribe(out, packet, options_.version);
}

Result<void> ClientSession::on_suback(const wire::Frame& frame, SessionEvents& events) {
  const auto packet = wire::decode_subscribe_ack(frame, options_.version);
  if (!packet || packet->packet_id != kSubscribeId || packet->reasons.size() != 1) {
    return fail(Errc::protocol_error, "the server sent a SUBACK that answers nothing");
  }
  if (static_cast<std::uint8_t>(packet->reasons.front()) >= 0x80) {
    return fail(Errc::connect_failed, "the subscription was refused: " +
                                          std::string(wire::name_of(packet->reasons.front())));
  }
  subscribed_ = true;
  events.on_subscribed();
  return {};
}

Result<void> ClientSession::on_publish(const wire::Frame& frame, std::string& out,
                                       SessionEvents& events) {
  const auto packet = wire::decode_publish(frame, options_.version);
  if (!packet) {
    return fail(packet.error().code, "the server sent a malformed PUBLISH");
  }
  // An alias was never asked for. What an older session's subscription left may have QoS 1.
  if (packet->qos > std::max<std::uint8_t>(options_.subscribe_qos, 1) || packet->topic.empty()) {
    return fail(Errc::protocol_error, "the server sent a PUBLISH that was not asked for");
  }
  if (packet->qos == 1) {
    wire::append_puback(out, packet->packet_id);
  } else if (packet->qos == 2) {
    wire::append_ack(out, {wire::PacketType::pubrec, packet->packet_id, {}, {}, {}},
                     options_.version);
    if (std::find(received_.begin(), received_.end(), packet->packet_id) != received_.end()) {
      return {}; // Again, since the PUBREC was lost [MQTT-4.3.3-10].
    }
    received_.push_back(packet->packet_id);
  }
  options_.commands ? events.on_command(*packet) : events.on_message(*packet);
  return {};
}

Result<void> ClientSession::on_pubrel(const wire::Frame& frame, std::string& out) {
  const auto packet = wire::decode_ack(frame, options_.version);
  if (!packet) {
    return fail(packet.error().code, "the server sent a malformed PUBREL");
  }
  const bool known = std::erase(received_, packet->packet_id) != 0;
  // Also for one that is unknown: its PUBCOMP was lost with a connection.
  wire::append_ack(out,
                   {wire::PacketType::pubcomp,
                    packet->packet_id,
                    known ? wire::Reason::success : wire::Reason::packet_identifier_not_found,
                    {},
                    {}},
                   options_.version);
  return {};
}

void ClientSession::answer(std::string& out, std::string_view topic, std::string_view correlation,
                           std::string_view payload, std::uint16_t id, bool dup) {
  assert(can_answer() && id >= kAnswerIdMin && id <= kAnswerIdMax);
  wire::Publish packet;
  packet.topic = topic;
  packet.payload = payload;
  packet.packet_id = id;
  packet.qos = 1;
  packet.dup = dup;
  packet.correlation_data = correlation;
  wire::append_publish(out, packet, options_.version);
  ++answers_in_flight_;
}

Result<void> ClientSession::on_answer_ack(wire::PacketType type, std::uint16_t id,
                                          wire::Reason reason, SessionEvents& events) {
  if (type != wire::PacketType::puback) {
    return fail(Errc::protocol_error, "the server sent the wrong acknowledgement");
  }
  if (!events.on_answer_acked(id, reason)) {
    return fail(Errc::protocol_error, "the server acknowledged an unknown packet identifier");
  }
  --answers_in_flight_;
  return {};
}

} // namespace spate::loadgen
