#include "actors/mqtt_deliveries.hpp"

#include <algorithm>

#include "actors/message_router.hpp"
#include "actors/mqtt_kept.hpp"

namespace spate::actors {

namespace {

using wire::PacketType;
using wire::Reason;
using wire::Version;

/// Message Expiry Interval that is left (MQTT5-3.3.2-6); nullopt: it has expired.
struct Expiry {
  bool expired = false;
  std::optional<std::uint32_t> left_s;

  Expiry(std::int64_t expires_ms, std::int64_t now_ms) {
    if (expires_ms != 0) {
      expired = expires_ms <= now_ms;
      left_s = static_cast<std::uint32_t>(std::max<std::int64_t>(1, (expires_ms - now_ms) / 1000));
    }
  }
};

} // namespace

/// A message for this client. What can not go is counted, and the publisher hears nothing of it.
void MqttSession::on_copy(Passing& passing, const Copy& copy) {
  if (state_ == State::connected && deliveries_ && !hold(passing, copy)) {
    take_copy(passing, copy);
  }
}

void MqttSession::take_copy(Passing& passing, const Copy& copy) {
  SessionCounters& counters = context_.counters;
  if (copy.qos == 0) {
    if (port_.unsent_bytes() > context_.limits.unsent_bytes_max) {
      counters.dropped_slow.add();
      return;
    }
    deliver_plain(passing, copy);
    return;
  }
  Outbox& outbox = deliveries_->outbox;
  const std::size_t bytes =
      passing.topic().size() + passing.payload().size() + passing.properties().size();
  if (outbox.open(bytes)) {
    wire::Delivery delivery = delivery_of(passing.topic(), passing.payload(), passing.properties());
    const Expiry expiry(passing.expires_ms(), context_.loop.wall_now_ms());
    if (expiry.expired) {
      return;
    }
    delivery.message_expiry_s = expiry.left_s;
    delivery.qos = copy.qos;
    delivery.retain = copy.retain;
    delivery.subscription_ids = &copy.subscription_ids;
    delivery.packet_id = packet_id_of(outbox.next_sequence());
    if (send_delivery(delivery)) {
      outbox.push_sent(outbox.next_sequence(), copy.qos, bytes);
    }
    return;
  }
  if (outbox.waiting() >= context_.limits.queue_messages_max ||
      outbox.waiting_bytes() + bytes > context_.limits.queue_bytes_max) {
    counters.dropped_full.add();
    return;
  }
  Outbox::Entry entry;
  entry.sequence = outbox.next_sequence();
  entry.message = passing.shared();
  entry.subscription_ids = copy.subscription_ids;
  entry.qos = copy.qos;
  entry.retain = copy.retain;
  outbox.push(std::move(entry));
}

void MqttSession::deliver_plain(Passing& passing, const Copy& copy) {
  if (!copy.retain && copy.subscription_ids.empty() && client_aliases_ == 0) {
    const std::string_view packet = passing.plain_packet(version_, context_.loop.wall_now_ms());
    if (packet.size() > packet_bytes_max_) {
      context_.counters.dropped_large.add();
      return;
    }
    port_.output().append(packet);
    port_.sent();
    context_.counters.deliveries[0].add();
    return;
  }
  wire::Delivery delivery = delivery_of(passing.topic(), passing.payload(), passing.properties());
  delivery.message_expiry_s = Expiry(passing.expires_ms(), context_.loop.wall_now_ms()).left_s;
  delivery.retain = copy.retain;
  delivery.subscription_ids = &copy.subscription_ids;
  send_delivery(delivery);
}

/// With the topic's alias, if the client takes aliases and there is one left.
wire::Delivery MqttSession::delivery_of(std::string_view topic, std::string_view payload,
                                        std::string_view properties) {
  wire::Delivery delivery;
  delivery.topic = topic;
  delivery.payload = payload;
  delivery.properties = properties;
  if (client_aliases_ == 0 || topic.size() < kAliasedTopicBytesMin) {
    return delivery;
  }
  auto& aliases = deliveries_->aliases;
  const auto at = std::find(aliases.begin(), aliases.end(), topic);
  if (at != aliases.end()) {
    delivery.topic_alias = static_cast<std::uint16_t>(at - aliases.begin() + 1);
    delivery.topic = {};
  } else if (aliases.size() < client_aliases_) {
    delivery.topic_alias = static_cast<std::uint16_t>(aliases.size() + 1);
  }
  return delivery;
}

/// False if it is larger than the client takes: it is not sent at all (MQTT5-3.1.2-25).
bool MqttSession::send_delivery(const wire::Delivery& delivery) {
  if (!send_within([&](std::string& out) { wire::append_delivery(out, delivery, version_); })) {
    context_.counters.dropped_large.add();
    return false;
  }
  if (delivery.topic_alias > deliveries_->aliases.size()) {
    deliveries_->aliases.emplace_back(delivery.topic);
  }
  context_.counters.deliveries[delivery.qos].add();
  return true;
}

/// Sends what waits, as far as the client's window allows.
void MqttSession::send_waiting_messages() {
  Outbox& outbox = deliveries_->outbox;
  while (Outbox::Entry* entry = outbox.next()) {
    const model::SharedMessage message = entry->message;
    const Expiry expiry(message->expires_ms, context_.loop.wall_now_ms());
    if (expiry.expired) {
      context_.counters.dropped_expired.add();
      settle_queued(entry->sequence, false);
      outbox.drop(*entry);
      continue;
    }
    wire::Delivery delivery = delivery_of(message->topic, message->payload, message->properties);
    delivery.message_expiry_s = expiry.left_s;
    delivery.packet_id = packet_id_of(entry->sequence);
    delivery.qos = entry->qos;
    delivery.retain = entry->retain;
    delivery.dup = entry->dup;
    delivery.subscription_ids = &entry->subscription_ids;
    if (send_delivery(delivery)) {
      outbox.sent(*entry);
    } else {
      settle_queued(entry->sequence, false);
      outbox.drop(*entry);
    }
  }
  page_if_behind();
}

/// PUBACK, PUBREC and PUBCOMP of what we sent.
void MqttSession::on_answer(const wire::Frame& frame) {
  const auto packet = wire::decode_ack(frame, version_);
  if (!packet) {
    refuse(packet.error());
    return;
  }
  if (packet->packet_id > kMessageIds && packet->type == PacketType::puback) {
    on_command_puback(*packet);
    return;
  }
  const Outbox::Answered answered =
      deliveries_ ? deliveries_->outbox.on_ack(packet->type, packet->packet_id, packet->reason)
                  : Outbox::Answered{};
  switch (answered.answer) {
  case Outbox::Answer::refused:
    context_.counters.dropped_refused.add();
    [[fallthrough]];
  case Outbox::Answer::settled:
    settle_queued(answered.sequence, false);
    break;
  case Outbox::Answer::received:
    if (kept_) {
      settle_queued(answered.sequence, true); // PUBREL once that is durable.
    } else {
      deliveries_->outbox.release(answered.sequence);
      send_pubrel(packet->packet_id, Reason::success);
    }
    break;
  case Outbox::Answer::repeated:
    if (!kept_) {
      send_pubrel(packet->packet_id, Reason::success);
    }
    break;
  case Outbox::Answer::unknown:
    context_.counters.unknown_acks.add();
    if (packet->type == PacketType::pubrec && static_cast<unsigned>(packet->reason) < 0x80) {
      send_pubrel(packet->packet_id, Reason::packet_identifier_not_found); // It may let go of it.
    }
    break;
  }
  if (deliveries_) {
    send_waiting_messages();
  }
}

void MqttSession::send_pubrel(std::uint16_t packet_id, Reason reason) {
  wire::Ack ack;
  ack.type = PacketType::pubrel;
  ack.packet_id = packet_id;
  ack.reason = reason;
  send_within([&](std::string& out) { wire::append_ack(out, ack, version_); });
}

} // namespace spate::actors
