#include "actors/mqtt_publishing.hpp"

#include <algorithm>

#include "actors/mqtt_commands.hpp"
#include "actors/mqtt_kept.hpp"
#include "engine/model/device_id.hpp"
#include "engine/model/rejections.hpp"

namespace spate::actors {

namespace {

using model::RejectReason;
using wire::PacketType;
using wire::Reason;
using wire::Version;

/// Devices of one session that Presence is told of; a gateway may carry thousands.
constexpr std::size_t kPresentMax = 64;

/// Faults of one message that are kept with their details; further ones are counted with the first
/// of their reason.
constexpr std::size_t kDetailedFaultsMax = 16;

/// Topics that a client's aliases may hold; devices use a few short ones.
constexpr std::size_t kAliasBytesMax = 16u << 10;

/// What a PUBACK says where the payload was refused as a whole.
Reason reason_for(RejectReason reason) {
  switch (reason) {
  case RejectReason::none:
    return Reason::success;
  case RejectReason::no_route:
    return Reason::no_matching_subscribers;
  case RejectReason::invalid_device_id:
  case RejectReason::unknown_command:
    return Reason::topic_name_invalid;
  case RejectReason::foreign_answer:
    return Reason::not_authorized;
  case RejectReason::late_answer:
    return Reason::implementation_specific_error; // "Valid, but not accepted."
  case RejectReason::too_many_devices:
  case RejectReason::too_many_shapes:
  case RejectReason::quota_exceeded:
  case RejectReason::storage_full:
    return Reason::quota_exceeded;
  default:
    return Reason::payload_format_invalid;
  }
}

/// Why a committed message was refused as a whole: none if anything of it was taken.
RejectReason refusal_of(const model::TelemetryBlock& block, const model::Message& message) {
  RejectReason last = RejectReason::none;
  for (std::uint32_t i = 0; i < message.rows; ++i) {
    const model::Row& row = block.rows[message.rows_begin + i];
    if (row.outcome != model::RowOutcome::rejected) {
      return RejectReason::none;
    }
    last = row.reject_reason;
  }
  return last;
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
    refuse(Reason::protocol_error, "a client may not send subscription ids [MQTT5-3.3.4-6]");
    return true;
  }
  if (!publishing_) {
    publishing_ = std::make_unique<Publishing>();
  }
  const bool repeated =
      publish->qos == 2 && (publishing_->awaiting_pubrel.contains(publish->packet_id) ||
                            publishing_->awaiting_pubrec.contains(publish->packet_id));
  if (publish->qos > 0 && !repeated && !may_take_one_more()) {
    return state_ == State::closing;
  }
  if (!resolve_alias(*publish)) {
    return true;
  }
  context_.counters.publishes[publish->qos].add();
  if (repeated) {
    // Stored once [MQTT-4.3.3-2]; one that is still in flight gets its PUBREC from its receipt.
    if (publishing_->awaiting_pubrel.contains(publish->packet_id)) {
      acknowledge({publish->packet_id, 2, true});
    }
    return true;
  }
  ingest(*publish);
  return true;
}

/// Whether the client's quota has room. A 5.0 client knows its quota [MQTT5-3.3.4-9]; a 3.1.1
/// client does not and is only not read. The PUBRELs that it owes do not count then: they come
/// behind what we would not read, and packet ids bound them.
bool MqttSession::may_take_one_more() {
  const std::size_t maximum = context_.limits.receive_maximum;
  const std::size_t owed_to_it = publishing_->in_flight.size();
  const std::size_t owed_by_it =
      version_ == Version::v5 ? publishing_->awaiting_pubrel.size() : std::size_t{0};
  if (owed_to_it + owed_by_it < maximum) {
    return true;
  }
  if (version_ == Version::v5) {
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
    refuse(Reason::topic_alias_invalid, "the topic alias is above the maximum [MQTT5-3.3.2-9]");
    return false;
  }
  auto& aliases = publishing_->aliases;
  if (aliases.size() < publish.topic_alias) {
    aliases.resize(publish.topic_alias);
  }
  std::string& topic = aliases[publish.topic_alias - 1u];
  if (!publish.topic.empty()) {
    std::size_t& held = publishing_->alias_bytes;
    held = held - topic.size() + publish.topic.size();
    topic = publish.topic;
    if (held > kAliasBytesMax) {
      refuse(Reason::quota_exceeded, "the topics behind the aliases are too long");
      return false;
    }
  } else if (topic.empty()) {
    refuse(Reason::protocol_error, "the topic alias stands for no topic yet [MQTT5-3.3.2-12]");
    return false;
  }
  publish.topic = topic;
  return true;
}

void MqttSession::aim_at(std::string_view topic) {
  Aim& aim = publishing_->aim;
  aim.topic = topic;
  aim.number = model::DeviceNumber::unknown;
  const telemetry::RouteMatch match = context_.routes.match(topic, client_id_);
  aim.route = match.route;
  aim.device = match.route != nullptr ? match.device : std::string_view(client_id_);
  aim.fault = model::device_id_fault(aim.device);
  aim.shard = context_.store.shard_of(aim.device);
  aim.origin = hash_bytes(aim.device);
  aim.matches_version = kNoVersion;

  auto& present = publishing_->present;
  if (aim.route != nullptr && aim.fault == nullptr && present.size() < kPresentMax &&
      std::find(present.begin(), present.end(), aim.device) == present.end()) {
    present.push_back(aim.device);
    context_.presence.enter(aim.device, protocol(), context_.loop.wall_now_ms());
  }
}

void MqttSession::ingest(const wire::Publish& publish) {
  const Aim& aim = publishing_->aim;
  if (aim.topic != publish.topic || publish.topic.empty()) {
    if (take_answer(publish)) {
      return;
    }
    aim_at(publish.topic);
  }
  const std::uint32_t sequence = publishing_->owe(publish);
  const Passed passed = pass(publish, sequence);
  const bool telemetry = aim.route != nullptr || !passed.taken; // Else it is others' now.
  if (sequence != kNoSequence) {
    InFlight::Entry& entry = publishing_->in_flight.at(sequence);
    entry.waits = static_cast<std::uint8_t>((telemetry ? 1 : 0) + (passed.asked ? 1 : 0));
    if (entry.waits == 0) {
      entry.waits = 1;
      settle(sequence, RejectReason::none);
    }
  }
  if (!telemetry || state_ == State::closing) {
    return;
  }
  model::TelemetryBlock& block = context_.writer.open_block(aim.shard);
  block.origin = aim.origin;
  model::Message message;
  message.device = aim.number;
  message.received_ms = context_.loop.wall_now_ms();
  message.protocol = protocol();
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
    message.retention_s = aim.route->retention_s.value_or(0);
  }
  if (!faults.empty()) {
    reject(block, message, publish, aim.topic);
  }

  auto refused = RejectReason::none;
  if (message.rows == 0) {
    refused = faults.empty() ? RejectReason::no_values : faults[0].reason;
  }
  if (sequence != kNoSequence) {
    publishing_->in_flight.at(sequence).refused = refused;
  }
  message.ack = {slot_, generation_, sequence};
  context_.writer.add(aim.shard, message);
}

/// Gives it to all who have subscribed to its topic, and to the store of sessions, if a session
/// that is kept or a retained message depends on it.
MqttSession::Passed MqttSession::pass(const wire::Publish& publish, std::uint32_t sequence) {
  MessageRouter& messages = context_.messages;
  Aim& aim = publishing_->aim;
  if (aim.matches_version != messages.version()) {
    aim.matches_version = messages.match(publish.topic, subscriber(), aim.matches);
  }
  const bool remembered = publish.qos == 2 && kept_; // Its packet id is.
  if (aim.matches.empty() && !publish.retain && !remembered) {
    return {};
  }
  std::string& properties = context_.properties;
  properties.clear();
  if (version_ == Version::v5) {
    wire::append_message_properties(properties, publish);
  }
  const std::int64_t expires_ms =
      publish.message_expiry_s
          ? context_.loop.wall_now_ms() + std::int64_t{*publish.message_expiry_s} * 1000
          : 0;
  Passing passing(publish.topic, publish.payload, properties, publish.qos, publish.retain,
                  expires_ms);
  auto& kept = context_.kept;
  kept.clear();
  messages.pass(passing, aim.matches, kept);
  Passed passed;
  passed.taken = !aim.matches.empty() || publish.retain;
  if (!context_.door.is_open() || (kept.empty() && !publish.retain && !remembered)) {
    return passed;
  }
  storage::SessionPublishing publishing;
  publishing.message = passing.shared();
  publishing.targets = std::move(kept);
  if (remembered) {
    publishing.sender = kept_->number;
    publishing.packet_id = publish.packet_id;
  }
  passed.asked = true;
  context_.door.submit(slot_, generation_,
                       sequence != kNoSequence ? StoreTask::publishing : StoreTask::none, sequence,
                       std::move(publishing));
  return passed;
}

/// What depends on it is not durable.
void MqttSession::settle_failed(std::uint32_t sequence, bool full) {
  if (full && version_ == Version::v5) {
    publishing_->in_flight.at(sequence).refused = RejectReason::storage_full;
    settle(sequence, RejectReason::storage_full);
  } else if (full) {
    refuse(Reason::quota_exceeded, "the store of sessions takes no more");
  } else {
    refuse(Reason::implementation_specific_error, "the store of sessions can not be written now");
  }
}

void MqttSession::keep_will(const wire::Will& will) {
  auto message = std::make_shared<model::ApplicationMessage>();
  message->topic = will.topic;
  message->payload = will.payload;
  message->qos = will.qos;
  message->retain = will.retain;
  wire::append_message_properties(message->properties, will);
  will_ = std::make_unique<storage::SessionWill>();
  will_->message = std::move(message);
  will_->delay_s = will.delay_s;
  will_->message_expiry_s = will.message_expiry_s.value_or(0);
}

/// Turns the faults of a message into rejections, which are written in the same commit as its good
/// records.
void MqttSession::reject(model::TelemetryBlock& block, model::Message& message,
                         const wire::Publish& publish, std::string_view topic) {
  const std::size_t first = block.rejections.size();
  for (telemetry::RecordFault& fault : context_.faults) {
    ++message.rejected;
    if (model::counted_with_another(block.rejections, first, kDetailedFaultsMax, fault.reason)) {
      continue;
    }
    model::Rejection& rejection = block.rejections.emplace_back();
    rejection.received_ms = message.received_ms;
    rejection.reason = fault.reason;
    rejection.protocol = message.protocol;
    rejection.device = model::printable(publishing_->aim.device);
    if (publishing_->aim.fault == nullptr) {
      rejection.device = publishing_->aim.device;
    }
    rejection.topic = topic.substr(0, model::kRejectionTextBytesMax);
    rejection.detail = fault.detail.substr(0, model::kRejectionTextBytesMax);
    rejection.sample = model::printable(publish.payload.substr(fault.offset));
  }
}

void MqttSession::on_receipt(const model::TelemetryBlock& block, const model::Message& message) {
  if (state_ == State::closing) {
    return;
  }
  if (message.seen) {
    on_seen(block);
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
                                       ? refusal_of(block, message)
                                       : publishing_->in_flight.at(message.ack.sequence).refused);
    }
    break;
  case model::CommitStatus::full:
    if (version_ == Version::v5 && awaited) {
      settle(message.ack.sequence, RejectReason::storage_full);
    } else if (awaited) {
      refuse(Reason::quota_exceeded, "the disk is full");
    }
    break;
  default:
    if (awaited) {
      // Why stands in the log and in /readyz; it is not for strangers.
      refuse(Reason::implementation_specific_error, "the store can not take records now");
    }
    break;
  }
}

void MqttSession::settle(std::uint32_t sequence, RejectReason refused) {
  InFlight& in_flight = publishing_->in_flight;
  InFlight::Entry& settled = in_flight.at(sequence);
  if (refused != RejectReason::none) {
    settled.reason = reason_for(refused);
    settled.refused = refused;
  }
  if (--settled.waits > 0) {
    return;
  }
  settled.done = true;
  InFlight::Entry entry;
  while (in_flight.take_done(entry)) {
    if (entry.qos == 2) {
      publishing_->awaiting_pubrec.erase(entry.packet_id);
      // A 3.1.1 client knows no refusal and goes on with its PUBREL.
      if (version_ == Version::v311 || static_cast<std::uint8_t>(entry.reason) < 0x80) {
        publishing_->awaiting_pubrel.insert(entry.packet_id);
      }
    }
    acknowledge(entry);
  }
  resume_if_room();
}

void MqttSession::resume_if_room() {
  if (paused_ && publishing_->in_flight.size() <= context_.limits.receive_maximum / 2u &&
      (!commands_ || (commands_->answers.size() <= kUnsettledAnswersMax / 2 &&
                      commands_->answer_bytes <= kUnsettledAnswerBytesMax / 2))) {
    paused_ = false;
    port_.pause_reading(held_);
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
    if (wants_problem_information_) {
      ack.reason_string = model::name_of(entry.refused);
    }
    if (!send_within([&](std::string& out) { wire::append_ack(out, ack, version_); })) {
      ack.reason_string = {};
      send_within([&](std::string& out) { wire::append_ack(out, ack, version_); });
    }
    return;
  }
  port_.sent();
}

void MqttSession::on_pubrel(const wire::Frame& frame) {
  const auto packet = wire::decode_ack(frame, version_);
  if (!packet) {
    refuse(packet.error());
    return;
  }
  const bool known = publishing_ && publishing_->awaiting_pubrel.erase(packet->packet_id);
  if (known && kept_) {
    context_.door.submit(slot_, generation_, StoreTask::releasing, packet->packet_id,
                         storage::SessionReleasing{kept_->number, packet->packet_id});
    return; // PUBCOMP once that is durable: the id may then stand for another message.
  }
  send_pubcomp(packet->packet_id, known ? Reason::success : Reason::packet_identifier_not_found);
}

void MqttSession::send_pubcomp(std::uint16_t packet_id, Reason reason) {
  wire::Ack answer;
  answer.type = PacketType::pubcomp;
  answer.packet_id = packet_id;
  answer.reason = reason;
  wire::append_ack(port_.output(), answer, version_);
  port_.sent();
}

} // namespace spate::actors
