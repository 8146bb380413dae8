#include "loadgen/receive/subscriber_session.hpp"

#include <algorithm>

namespace spate::loadgen {

namespace {

constexpr std::uint16_t kSubscribeId = 1;

} // namespace

void SubscriberSession::connect(std::string& out) {
  wire::Connect packet;
  packet.version = options_.version;
  packet.clean_start = !options_.keep_session;
  packet.keep_alive_s = options_.keep_alive_s;
  packet.client_id = options_.client_id;
  if (!options_.user.empty()) {
    packet.user_name = options_.user;
  }
  if (!options_.password.empty()) {
    packet.password = options_.password;
  }
  packet.session_expiry_s = options_.keep_session ? kSessionExpiryS : 0;
  packet.packet_bytes_max = static_cast<std::uint32_t>(kPacketBytesMax);
  wire::append_connect(out, packet);
  state_ = State::connecting;
}

void SubscriberSession::disconnect(std::string& out) const {
  wire::Disconnect packet;
  packet.session_expiry_s = 0;
  wire::append_disconnect(out, packet, options_.version);
}

Result<std::size_t> SubscriberSession::receive(std::string_view bytes, std::string& out,
                                               SubscriberEvents& events, std::size_t& whole_bytes) {
  std::size_t used = 0;
  whole_bytes = 0;
  while (used < bytes.size()) {
    const wire::FrameResult next = wire::next_frame(bytes.substr(used), kPacketBytesMax);
    if (next.status == wire::FrameStatus::partial) {
      whole_bytes = next.bytes;
      break;
    }
    if (next.status == wire::FrameStatus::malformed) {
      return fail(Errc::malformed_packet, "the server sent a malformed packet");
    }
    if (next.status == wire::FrameStatus::too_large) {
      return fail(Errc::packet_too_large, "the server sent a packet above 1.2 MB");
    }
    if (auto read = on_packet(next.frame, out, events); !read) {
      return fail(std::move(read.error()));
    }
    used += next.bytes;
  }
  return used;
}

Result<void> SubscriberSession::on_packet(const wire::Frame& frame, std::string& out,
                                          SubscriberEvents& events) {
  if (state_ == State::offline ||
      (state_ == State::connecting) != (frame.type == wire::PacketType::connack)) {
    return fail(Errc::protocol_error,
                "the server sent an unexpected " + std::string(wire::name_of(frame.type)));
  }
  switch (frame.type) {
  case wire::PacketType::connack:
    return on_connack(frame, out);
  case wire::PacketType::suback:
    return on_suback(frame, events);
  case wire::PacketType::publish:
    return on_publish(frame, out, events);
  case wire::PacketType::pingresp:
    if (!wire::decode_ping(frame, options_.version)) {
      return fail(Errc::malformed_packet, "the server sent a malformed PINGRESP");
    }
    return {};
  case wire::PacketType::disconnect: {
    const auto packet = wire::decode_disconnect(frame, options_.version);
    return fail(Errc::connect_failed,
                "server disconnected the subscriber" +
                    (packet ? ": " + std::string(wire::name_of(packet->reason)) : std::string()));
  }
  default:
    return fail(Errc::protocol_error,
                "the server sent an unexpected " + std::string(wire::name_of(frame.type)));
  }
}

Result<void> SubscriberSession::on_connack(const wire::Frame& frame, std::string& out) {
  const auto packet = wire::decode_connack(frame, options_.version);
  if (!packet) {
    return fail(packet.error().code, "the server sent a malformed CONNACK");
  }
  if (packet->reason != wire::Reason::success) {
    return fail(Errc::connect_failed,
                "the subscriber was refused: " + std::string(wire::name_of(packet->reason)));
  }
  // Again on a kept session too: it changes nothing there. What is retained is of another run.
  wire::Subscribe subscribe;
  subscribe.packet_id = kSubscribeId;
  for (const std::string& filter : options_.filters) {
    subscribe.subscriptions.push_back(
        {.filter = filter, .qos = 1, .retain_as_published = false, .retain_handling = 2});
  }
  wire::append_subscribe(out, subscribe, options_.version);
  state_ = State::subscribing;
  return {};
}

Result<void> SubscriberSession::on_suback(const wire::Frame& frame, SubscriberEvents& events) {
  const auto packet = wire::decode_subscribe_ack(frame, options_.version);
  if (!packet || state_ != State::subscribing || packet->packet_id != kSubscribeId ||
      packet->reasons.size() != options_.filters.size()) {
    return fail(Errc::protocol_error, "the server sent a SUBACK that answers nothing");
  }
  for (const wire::Reason reason : packet->reasons) {
    if (static_cast<std::uint8_t>(reason) >= 0x80) {
      return fail(Errc::connect_failed,
                  "the subscription was refused: " + std::string(wire::name_of(reason)));
    }
    if (static_cast<std::uint8_t>(reason) < 1) {
      return fail(Errc::connect_failed, "the server grants the subscription QoS 0 only");
    }
  }
  state_ = State::subscribed;
  events.on_subscribed();
  return {};
}

Result<void> SubscriberSession::on_publish(const wire::Frame& frame, std::string& out,
                                           SubscriberEvents& events) {
  const auto packet = wire::decode_publish(frame, options_.version);
  if (!packet) {
    return fail(packet.error().code, "the server sent a malformed PUBLISH");
  }
  if (packet->qos > 1 || packet->topic.empty()) { // Neither QoS 2 nor an alias was asked for.
    return fail(Errc::protocol_error, "the server sent a PUBLISH that was not asked for");
  }
  events.on_message(*packet);
  if (packet->qos == 1) {
    wire::append_puback(out, packet->packet_id);
  }
  return {};
}

} // namespace spate::loadgen
