#include "actors/mqtt_publishing.hpp"

#include "engine/model/device_id.hpp"

namespace spate::actors {

namespace {

using model::RejectReason;
using wire::PacketType;
using wire::Reason;
using wire::Version;

/// The sequence of a QoS 0 message: nobody waits for it.
constexpr std::uint32_t kNoSequence = 0xffff'ffff;

/// Devices of one session that Presence is told of; a gateway may carry thousands.
constexpr std::size_t kPresentMax = 64;

/// Faults of one message that are kept with their details; further ones are counted with the last.
constexpr std::size_t kDetailedFaultsMax = 16;

constexpr std::size_t kTextBytesMax = 256;
constexpr std::size_t kSampleBytesMax = 128;

/// Payload bytes as text that is safe to store and show.
std::string printable(std::string_view bytes) {
  std::string text;
  for (const char c : bytes.substr(0, kSampleBytesMax)) {
    text.push_back(c >= 0x20 && c < 0x7f ? c : '.');
  }
  return text;
}

/// What a PUBACK says where the payload was refused as a whole.
Reason reason_for(RejectReason reason) {
  switch (reason) {
  case RejectReason::none:
    return Reason::success;
  case RejectReason::no_route:
    return Reason::no_matching_subscribers;
  case RejectReason::invalid_device_id:
    return Reason::topic_name_invalid;
  case RejectReason::too_many_devices:
  case RejectReason::too_many_shapes:
  case RejectReason::quota_exceeded:
  case RejectReason::storage_full:
    return Reason::quota_exceeded;
  default:
    return Reason::payload_format_invalid;
  }
}

/// The answer to a committed message: bad only if nothing of it was taken.
Reason outcome_of(const model::TelemetryBlock& block, const model::Message& message) {
  RejectReason worst = RejectReason::none;
  for (std::uint32_t i = 0; i < message.rows; ++i) {
    const model::Row& row = block.rows[message.rows_begin + i];
    if (row.outcome != model::RowOutcome::rejected) {
      return Reason::success;
    }
    worst = row.reject_reason;
  }
  return reason_for(worst);
}

} // namespace

std::size_t MqttSession::in_flight() const noexcept {
  return publishing_ ? publishing_->in_flight.size() + publishing_->awaiting_pubrel.size() : 0;
}

/// False if the packet must wait until something in flight is answered.
bool MqttSession::on_publish(const wire::Frame& frame) {
  auto publish = wire::decode_publish(frame, version_);
  if (!publish) {
    refuse(publish.error());
    return true;
  }
  if (!publish->subscription_ids.empty()) {
    refuse(Reason::protocol_error, "a client may not send subscription ids [MQTT-3.3.4-6]");
    return true;
  }
  if (!publishing_) {
    publishing_ = std::make_unique<Publishing>();
  }
  const bool repeated = publish->qos == 2 && (publishing_->awaits_pubrel(publish->packet_id) ||
                                              publishing_->in_flight.contains(publish->packet_id));
  if (publish->qos > 0 && !repeated && !may_take_one_more()) {
    return state_ == State::closing;
  }
  if (!resolve_alias(*publish)) {
    return true;
  }
  context_.counters.publishes[publish->qos].add();
  if (repeated) {
    // Stored once [MQTT-4.3.3-2]; one that is still in flight gets its PUBREC from its receipt.
    if (publishing_->awaits_pubrel(publish->packet_id)) {
      acknowledge({publish->packet_id, 2, true, Reason::success});
    }
    return true;
  }
  ingest(*publish);
  return true;
}

/// Whether the client's quota has room. A 5.0 client knows its quota [MQTT-3.3.4-9]; a 3.1.1 client
/// does not and is only not read, unless it is it that owes answers: PUBRELs, which we could not
/// read either.
bool MqttSession::may_take_one_more() {
  const std::size_t maximum = context_.limits.receive_maximum;
  const std::size_t owed_to_it = publishing_->in_flight.size();
  const std::size_t owed_by_it = publishing_->awaiting_pubrel.size();
  if (version_ == Version::v5 ? owed_to_it + owed_by_it < maximum
                              : owed_to_it < maximum && owed_by_it < maximum) {
    return true;
  }
  if (version_ == Version::v5 || owed_by_it >= maximum) {
    refuse(Reason::receive_maximum_exceeded,
           "more than " + std::to_string(maximum) + " messages are in flight");
  } else {
    paused_ = true;
    port_.pause_reading(true);
  }
  return false;
}

bool MqttSession::resolve_alias(wire::Publish& publish) {
  if (publish.topic_alias == 0) {
    return true;
  }
  if (publish.topic_alias > context_.limits.topic_alias_maximum) {
    refuse(Reason::topic_alias_invalid, "the topic alias is above the maximum [MQTT-3.3.2-9]");
    return false;
  }
  auto& aliases = publishing_->aliases;
  if (aliases.size() < publish.topic_alias) {
    aliases.resize(publish.topic_alias);
  }
  std::string& topic = aliases[publish.topic_alias - 1u];
  if (!publish.topic.empty()) {
    topic = publish.topic;
  } else if (topic.empty()) {
    refuse(Reason::protocol_error, "the topic alias stands for no topic yet [MQTT-3.3.2-12]");
    return false;
  }
  publish.topic = topic;
  return true;
}

void MqttSession::aim_at(std::string_view topic) {
  Aim& aim = publishing_->aim;
  if (aim.topic == topic && !topic.empty()) {
    return;
  }
  aim.topic = topic;
  aim.number = model::DeviceNumber::unknown;
  const telemetry::RouteMatch match = context_.routes.match(topic, client_id_);
  aim.route = match.route;
  aim.device = match.route != nullptr ? match.device : std::string_view(client_id_);
  aim.fault = model::device_id_fault(aim.device);
  aim.shard = context_.store.shard_of(aim.device);

  auto& present = publishing_->present;
  if (aim.route != nullptr && aim.fault == nullptr && present.size() < kPresentMax &&
      std::find(present.begin(), present.end(), aim.device) == present.end()) {
    present.push_back(aim.device);
    context_.presence.enter(
        aim.device, version_ == Version::v5 ? model::Protocol::mqtt5 : model::Protocol::mqtt311,
        context_.loop.wall_now_ms());
  }
}

void MqttSession::ingest(const wire::Publish& publish) {
  aim_at(publish.topic);
  const Aim& aim = publishing_->aim;
  model::TelemetryBlock& block = context_.writer.open_block(aim.shard);
  model::Message message;
  message.device = aim.number;
  message.received_ms = context_.loop.wall_now_ms();
  message.rows_begin = static_cast<std::uint32_t>(block.rows.size());
  if (aim.number == model::DeviceNumber::unknown) {
    message.name_begin = static_cast<std::uint32_t>(block.names.size());
    message.name_bytes = static_cast<std::uint32_t>(aim.device.size());
    block.names.append(aim.device);
  }

  auto& faults = context_.faults;
  faults.clear();
  if (aim.route == nullptr) {
    faults.push_back({0, RejectReason::no_route, true, "no route takes this topic"});
  } else if (aim.fault != nullptr) {
    faults.push_back(
        {0, RejectReason::invalid_device_id, true, std::string("the device id ") + aim.fault});
  } else {
    const auto parsed =
        context_.parser.parse(*aim.route, publish.payload, message.received_ms, block, faults);
    message.rows = static_cast<std::uint32_t>(parsed.rows);
  }
  if (!faults.empty()) {
    reject(block, message, publish, aim.topic);
  }

  message.ack = {slot_, generation_, kNoSequence};
  if (publish.qos > 0) {
    InFlight::Entry entry{publish.packet_id, publish.qos};
    if (message.rows == 0) {
      entry.reason = reason_for(faults.empty() ? RejectReason::no_values : faults[0].reason);
    }
    message.ack.sequence = publishing_->in_flight.push(entry);
  }
  context_.writer.add(aim.shard, message);
}

/// Turns the faults of a message into rejections, which are written in the same commit as its good
/// records.
void MqttSession::reject(model::TelemetryBlock& block, model::Message& message,
                         const wire::Publish& publish, std::string_view topic) {
  std::size_t detailed = 0;
  for (telemetry::RecordFault& fault : context_.faults) {
    ++message.rejected;
    if (detailed >= kDetailedFaultsMax && block.rejections.back().reason == fault.reason) {
      ++block.rejections.back().records;
      continue;
    }
    ++detailed;
    model::Rejection& rejection = block.rejections.emplace_back();
    rejection.received_ms = message.received_ms;
    rejection.reason = fault.reason;
    rejection.protocol =
        version_ == Version::v5 ? model::Protocol::mqtt5 : model::Protocol::mqtt311;
    rejection.device = printable(publishing_->aim.device);
    if (publishing_->aim.fault == nullptr) {
      rejection.device = publishing_->aim.device;
    }
    rejection.topic = topic.substr(0, kTextBytesMax);
    rejection.detail = fault.detail.substr(0, kTextBytesMax);
    rejection.sample = printable(publish.payload);
  }
}

void MqttSession::on_receipt(const model::TelemetryBlock& block, const model::Message& message) {
  if (state_ == State::closing) {
    return;
  }
  Aim& aim = publishing_->aim;
  if (aim.number == model::DeviceNumber::unknown && message.name_bytes != 0 &&
      block.name(message) == aim.device) {
    aim.number = message.device;
  }
  const bool awaited = message.ack.sequence != kNoSequence;
  switch (block.status) {
  case model::CommitStatus::committed:
    if (awaited) {
      settle(message.ack.sequence, message.rows > 0
                                       ? outcome_of(block, message)
                                       : publishing_->in_flight.at(message.ack.sequence).reason);
    }
    break;
  case model::CommitStatus::full:
    if (version_ == Version::v5 && awaited) {
      settle(message.ack.sequence, Reason::quota_exceeded);
    } else if (awaited) {
      refuse(Reason::quota_exceeded, block.status_detail);
    }
    break;
  default:
    if (awaited) {
      refuse(Reason::implementation_specific_error, block.status_detail);
    }
    break;
  }
}

void MqttSession::settle(std::uint32_t sequence, Reason reason) {
  InFlight& in_flight = publishing_->in_flight;
  InFlight::Entry& settled = in_flight.at(sequence);
  settled.done = true;
  settled.reason = reason;
  InFlight::Entry entry;
  while (in_flight.take_done(entry)) {
    if (entry.qos == 2 && static_cast<std::uint8_t>(entry.reason) < 0x80) {
      publishing_->awaiting_pubrel.push_back(entry.packet_id);
    }
    acknowledge(entry);
  }
  if (paused_ && in_flight.size() <= context_.limits.receive_maximum / 2u) {
    paused_ = false;
    port_.pause_reading(false);
  }
}

void MqttSession::acknowledge(const InFlight::Entry& entry) {
  context_.counters.acknowledged.add();
  if (entry.qos == 1 && (version_ == Version::v311 || entry.reason == Reason::success)) {
    wire::append_puback(port_.output(), entry.packet_id);
  } else {
    wire::Ack ack;
    ack.type = entry.qos == 2 ? PacketType::pubrec : PacketType::puback;
    ack.packet_id = entry.packet_id;
    ack.reason = entry.reason;
    wire::append_ack(port_.output(), ack, version_);
  }
  port_.sent();
}

void MqttSession::on_pubrel(const wire::Frame& frame) {
  const auto packet = wire::decode_ack(frame, version_);
  if (!packet) {
    refuse(packet.error());
    return;
  }
  const bool known = publishing_ && std::erase(publishing_->awaiting_pubrel, packet->packet_id) > 0;
  wire::Ack answer;
  answer.type = PacketType::pubcomp;
  answer.packet_id = packet->packet_id;
  answer.reason = known ? Reason::success : Reason::packet_identifier_not_found;
  wire::append_ack(port_.output(), answer, version_);
  port_.sent();
}

} // namespace spate::actors
