#include "actors/mqtt_commands.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "actors/command_answer.hpp"
#include "actors/command_dialect.hpp"
#include "actors/mqtt_publishing.hpp"
#include "actors/outbox.hpp"

namespace spate::actors {

namespace {

using wire::Reason;
using wire::Version;

constexpr std::size_t weight_of(const model::Command& command) {
  return command.args.size() + 256;
}

} // namespace

std::uint16_t MqttSession::Commands::next_packet_id() noexcept {
  // Far fewer are in use than there are.
  do {
    last_packet_id =
        static_cast<std::uint16_t>(last_packet_id == 0xffff ? kMessageIds + 1 : last_packet_id + 1);
  } while (std::any_of(unacked.begin(), unacked.end(),
                       [this](const Unacked& other) { return other.packet_id == last_packet_id; }));
  return last_packet_id;
}

bool MqttSession::Commands::numbered(std::string_view device) const noexcept {
  const auto found = devices.find(device);
  if (found == devices.end()) {
    return false;
  }
  bool numbered = false;
  for (const Filter& filter : found->second) {
    if (filter.qos > 0 && !filter.numbered) {
      return false; // The plain topics say more.
    }
    numbered = numbered || (filter.numbered && filter.qos > 0);
  }
  return numbered;
}

/// True if something was dropped.
template <class Drops>
bool MqttSession::drop_waiting(Drops&& drops) {
  return std::erase_if(commands_->waiting, [&](const model::Command& command) {
           const bool dropped = drops(command);
           commands_->waiting_bytes -= dropped ? weight_of(command) : 0;
           return dropped;
         }) != 0;
}

MqttSession::Commands& MqttSession::commands() {
  if (!commands_) {
    commands_ = std::make_unique<Commands>();
  }
  return *commands_;
}

// --- Who takes the commands of which device.

/// False if the device has too many filters.
bool MqttSession::note_subscription(std::string_view filter, std::uint8_t qos, std::uint32_t id) {
  if (port_.commands() == nullptr || filter.size() > kCommandFilterBytesMax) {
    return true;
  }
  const auto subscriber =
      CommandDialect(context_.limits.thingsboard_rpc).subscriber(filter, client_id_);
  if (!subscriber) {
    return true;
  }
  Commands& state = commands();
  auto device = state.devices.find(subscriber->device);
  if (device == state.devices.end()) {
    device = state.devices.emplace(subscriber->device, std::vector<Commands::Filter>()).first;
    context_.presence.enter(subscriber->device, protocol(), context_.loop.wall_now_ms());
    tell_seen(subscriber->device);
  }
  auto& filters = device->second;
  const auto known = std::find_if(filters.begin(), filters.end(),
                                  [&](const auto& other) { return other.text == filter; });
  if (known != filters.end()) {
    known->subscription_id = id;
    if (std::exchange(known->qos, qos) == qos) {
      return true; // Nothing that the router would want to know.
    }
  } else if (filters.size() >= kCommandFiltersMax) {
    return false;
  } else {
    filters.push_back({std::string(filter), qos, subscriber->numbered, id});
  }
  if (std::find(state.changed.begin(), state.changed.end(), device->first) == state.changed.end()) {
    state.changed.push_back(device->first);
  }
  return true;
}

void MqttSession::note_unsubscription(std::string_view filter) {
  if (!commands_) {
    return;
  }
  const auto subscriber =
      CommandDialect(context_.limits.thingsboard_rpc).subscriber(filter, client_id_);
  const auto device =
      subscriber ? commands_->devices.find(subscriber->device) : commands_->devices.end();
  if (device == commands_->devices.end() ||
      std::erase_if(device->second, [&](const auto& other) { return other.text == filter; }) == 0) {
    return;
  }
  auto& changed = commands_->changed;
  if (std::find(changed.begin(), changed.end(), device->first) == changed.end()) {
    changed.push_back(device->first);
  }
  if (device->second.empty()) {
    drop_waiting([&](const model::Command& command) { return command.device == device->first; });
    context_.presence.leave(device->first);
    commands_->devices.erase(device);
  }
}

/// After the SUBACK or UNSUBACK.
void MqttSession::tell_changes() {
  if (!commands_ || commands_->changed.empty() || state_ != State::connected) {
    return;
  }
  const std::uint64_t second = context_.loop.now_ms() / 1000;
  commands_->changes = second == commands_->changes_second ? commands_->changes : 0;
  commands_->changes_second = second;
  commands_->changes += static_cast<std::uint32_t>(commands_->changed.size());
  if (commands_->changes > kFilterChangesMax) {
    refuse(Reason::message_rate_too_high, "subscriptions to commands change too often");
    return;
  }
  // A command overtakes what is gathered, but it may not come before the CONNACK.
  CommandPort* port = port_.commands();
  port->flush();
  for (std::string& name : std::exchange(commands_->changed, {})) {
    DeviceReady ready;
    ready.target = target();
    ready.numbered = commands_->numbered(name);
    ready.with_id = version_ == Version::v311 && !ready.numbered;
    ready.in_flight_max = static_cast<std::uint16_t>(
        std::min<std::size_t>(client_receive_maximum_, kUnackedCommandsMax));
    if (const auto device = commands_->devices.find(name); device != commands_->devices.end()) {
      for (const Commands::Filter& filter : device->second) {
        // With QoS 0 nobody would know whether it arrived.
        if (filter.qos > 0 && filter.numbered == ready.numbered) {
          ready.filters.push_back(filter.text);
        }
      }
    }
    ready.device = std::move(name);
    port->tell(std::move(ready));
  }
}

/// A message without rows: it only makes the device known, durably.
void MqttSession::tell_seen(std::string_view device) {
  const model::ShardId shard = context_.store.shard_of(device);
  model::TelemetryBlock& block = context_.writer.open_block(shard);
  model::Message message;
  message.received_ms = context_.loop.wall_now_ms();
  message.protocol = protocol();
  message.seen = true;
  message.rows_begin = static_cast<std::uint32_t>(block.rows.size());
  message.name_begin = static_cast<std::uint32_t>(block.names.size());
  message.name_bytes = static_cast<std::uint32_t>(device.size());
  block.names.append(device);
  message.ack = {slot_, generation_, kNoSequence};
  ++commands_->unseen;
  context_.writer.add(shard, message);
}

/// Withheld while a device of this session is not durably known: who has a SUBACK is not told that
/// there is no such device.
void MqttSession::send_suback(const wire::SubscribeAck& answer) {
  const auto append = [&](std::string& out) { wire::append_subscribe_ack(out, answer, version_); };
  if (!commands_ || commands_->unseen == 0) {
    send_within(append);
    return;
  }
  std::string& withheld = commands_->subacks;
  const std::size_t before = withheld.size();
  append(withheld);
  if (withheld.size() - before > packet_bytes_max_) {
    withheld.resize(before);
  } else if (withheld.size() > kWithheldSubackBytesMax) {
    refuse(Reason::quota_exceeded, "too many SUBSCRIBEs wait for their SUBACK");
  }
}

void MqttSession::on_seen(const model::TelemetryBlock& block) {
  if (block.status == model::CommitStatus::unavailable) {
    // It would take commands and yet be unknown: it shall subscribe again.
    refuse(Reason::implementation_specific_error, "the store can not take records now");
    return;
  }
  // On a full disk it is not remembered after a restart; its commands go on.
  if (--commands_->unseen == 0) {
    port_.output().append(commands_->subacks);
    port_.sent();
    commands_->subacks = {};
  }
}

/// The last that the router hears of this session.
void MqttSession::leave_commands() {
  if (!commands_ || commands_->gone) {
    return;
  }
  commands_->gone = true;
  DeviceGone gone{target(), {}};
  for (const auto& [device, filters] : commands_->devices) {
    gone.devices.push_back(device);
  }
  if (CommandPort* port = port_.commands(); port != nullptr) {
    port->tell(std::move(gone));
  }
}

// --- Commands to the device.

void MqttSession::on_deliver(model::Command command) {
  if (state_ != State::connected || port_.commands() == nullptr ||
      !commands().devices.contains(command.device)) {
    return; // The router hears, or has heard, that this session is not the device's.
  }
  Commands& state = *commands_;
  const auto known = [&command](const auto& other) { return other.id == command.id; };
  if (std::any_of(state.waiting.begin(), state.waiting.end(), known)) {
    return;
  }
  const auto unacked = std::find_if(state.unacked.begin(), state.unacked.end(), known);
  if (unacked != state.unacked.end()) { // Since then it has subscribed anew.
    unacked->forgotten = false;
    port_.commands()->tell(CommandSent{
        target(), std::move(command.device), command.id, context_.wall_now_ms(), true, {}});
    return;
  }
  const std::size_t bytes = weight_of(command);
  if (state.waiting.size() >= kWaitingCommandsMax ||
      state.waiting_bytes + bytes > kWaitingCommandBytesMax) {
    port_.commands()->tell(CommandSent{target(), std::move(command.device), command.id,
                                       context_.wall_now_ms(), false,
                                       "too many commands wait for the client's acknowledgements"});
    return;
  }
  state.waiting_bytes += bytes;
  state.waiting.push_back(std::move(command));
  send_waiting();
}

void MqttSession::send_waiting() {
  Commands& state = *commands_;
  const std::size_t unacked_max =
      std::min<std::size_t>(client_receive_maximum_, kUnackedCommandsMax);
  while (!state.waiting.empty() && state_ == State::connected) {
    const std::size_t bytes = weight_of(state.waiting.front());
    if (!state.unacked.empty() && (state.unacked.size() >= unacked_max ||
                                   state.unacked_bytes + bytes > kUnackedCommandBytesMax)) {
      return;
    }
    const model::Command command = std::move(state.waiting.front());
    state.waiting.pop_front();
    state.waiting_bytes -= bytes;
    send_command(command);
  }
}

void MqttSession::send_command(const model::Command& command) {
  Commands& state = *commands_;
  CommandPort& port = *port_.commands();
  CommandSent told{target(), command.device, command.id, context_.wall_now_ms(), true, {}};
  const std::int64_t left_ms = command.expires_ms - told.at_ms;
  if (left_ms <= 0) {
    told.sent = false;
    port.tell(std::move(told));
    return;
  }
  const bool numbered = state.numbered(command.device);
  const std::string topic =
      CommandDialect::command_topic(command, numbered, version_ == Version::v311);
  const std::string response_topic = CommandDialect::response_topic(command, numbered);
  const std::string payload = CommandDialect::payload(command, numbered);
  const std::string id = text_of(command.id);
  wire::Publish publish;
  publish.topic = topic;
  publish.payload = payload;
  publish.qos = 1;
  publish.packet_id = state.next_packet_id();
  if (version_ == Version::v5) {
    publish.message_expiry_s = static_cast<std::uint32_t>(
        std::min<std::int64_t>((left_ms - 1) / 1000 + 1, std::numeric_limits<std::int32_t>::max()));
    publish.content_type = "application/json";
    publish.response_topic = response_topic;
    publish.correlation_data = id;
  }
  if (version_ == Version::v5) {
    for (const Commands::Filter& filter : state.devices.find(command.device)->second) {
      if (filter.subscription_id != 0 && wire::filter_takes(filter.text, topic)) {
        publish.subscription_ids.push_back(filter.subscription_id);
      }
    }
  }
  std::string packet;
  wire::append_publish(packet, publish, version_);
  if (packet.size() > packet_bytes_max_) {
    told.sent = false;
    told.why = "the command needs a packet of " + std::to_string(packet.size()) +
               " bytes; the client takes " + std::to_string(packet_bytes_max_);
    port.tell(std::move(told));
    return;
  }
  const std::size_t bytes = weight_of(command);
  state.unacked.push_back(
      {publish.packet_id, false, static_cast<std::uint32_t>(bytes), command.id, command.device});
  state.unacked_bytes += bytes;
  if (state.awaited.size() >= kHotCommandsMax) {
    state.awaited.erase(state.awaited.begin());
  }
  state.awaited.push_back(command.id);
  context_.counters.commands_sent.add();
  port.send_first(packet);
  port.tell(std::move(told));
  heat();
}

void MqttSession::on_command_puback(const wire::Ack& packet) {
  if (!commands_) {
    context_.counters.unknown_acks.add();
    return;
  }
  auto& unacked = commands_->unacked;
  const auto found = std::find_if(unacked.begin(), unacked.end(), [&](const auto& other) {
    return other.packet_id == packet.packet_id;
  });
  if (found == unacked.end()) {
    context_.counters.unknown_acks.add();
    return;
  }
  Commands::Unacked acked = std::move(*found);
  unacked.erase(found);
  commands_->unacked_bytes -= acked.bytes;
  const bool taken = static_cast<std::uint8_t>(packet.reason) < 0x80;
  if (taken) {
    context_.counters.commands_delivered.add();
  } else {
    cool(acked.id);
  }
  if (!acked.forgotten) {
    CommandDelivered told{target(), std::move(acked.device), acked.id, context_.wall_now_ms(), {}};
    if (!taken) {
      told.refused = wire::name_of(packet.reason);
      if (!packet.reason_string.empty()) {
        told.refused.append(": ").append(packet.reason_string);
      }
      told.refused = clean_reason(told.refused);
    }
    port_.commands()->tell(std::move(told));
  }
  send_waiting();
}

void MqttSession::on_forget(const ForgetCommand& message) {
  if (!commands_) {
    return;
  }
  std::string device;
  const bool waited = drop_waiting([&](const model::Command& command) {
    if (command.id != message.id) {
      return false;
    }
    device = command.device;
    return true;
  });
  if (message.ended) {
    for (Commands::Unacked& unacked : commands_->unacked) {
      unacked.forgotten = unacked.forgotten || unacked.id == message.id;
    }
    cool(message.id);
  } else if (waited) { // Else CommandSent is on its way.
    port_.commands()->tell(
        CommandSent{target(), std::move(device), message.id, context_.wall_now_ms(), false, {}});
  }
}

/// A command was sent: its PUBACK and its answer are looked for first.
void MqttSession::heat() {
  Commands& state = *commands_;
  CommandPort& port = *port_.commands();
  state.hot_until_ms = context_.loop.now_ms() + kHotMs;
  if (!state.hot) {
    state.hot = true;
    port.set_hot(true);
    port.wake_within(kHotMs);
  }
}

/// Nothing more is awaited for this command.
void MqttSession::cool(const Uuid& id) {
  Commands& state = *commands_;
  std::erase(state.awaited, id);
  if (state.hot && state.awaited.empty()) {
    state.hot = false;
    port_.commands()->set_hot(false);
  }
}

std::uint64_t MqttSession::on_hot_timer(std::uint64_t now_ms) {
  if (!commands_ || !commands_->hot || state_ == State::closing) {
    return std::numeric_limits<std::uint64_t>::max();
  }
  if (now_ms < commands_->hot_until_ms) {
    return commands_->hot_until_ms - now_ms;
  }
  commands_->awaited.clear();
  commands_->hot = false;
  port_.commands()->set_hot(false);
  return std::numeric_limits<std::uint64_t>::max();
}

} // namespace spate::actors
