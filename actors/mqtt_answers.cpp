#include <algorithm>
#include <optional>
#include <utility>

#include "actors/command_answer.hpp"
#include "actors/command_dialect.hpp"
#include "actors/mqtt_commands.hpp"
#include "actors/mqtt_publishing.hpp"
#include "engine/model/device_id.hpp"
#include "engine/model/rejections.hpp"

namespace spate::actors {

namespace {

using model::RejectReason;
using wire::Reason;

std::optional<std::string_view> status_of(const wire::UserProperties& properties) {
  for (const auto& [name, value] : properties) {
    if (name == "status") {
      return value;
    }
  }
  return std::nullopt;
}

} // namespace

/// True if it is one, whatever becomes of it.
bool MqttSession::take_answer(const wire::Publish& publish) {
  CommandPort* port = port_.commands();
  if (port == nullptr) {
    return false;
  }
  const auto topic =
      CommandDialect(context_.limits.thingsboard_rpc).answer_topic(publish.topic, client_id_);
  if (!topic) {
    return false;
  }
  const std::uint32_t sequence = publishing_->owe(publish);
  const bool own =
      topic->device == client_id_ ||
      (commands_ && commands_->devices.find(topic->device) != commands_->devices.end());
  if (!own) {
    refuse_answer(RejectReason::foreign_answer, sequence, client_id_, publish.topic,
                  "the client did not subscribe to commands of this device",
                  model::printable(publish.payload));
    return true;
  }
  CommandAnswer answer;
  answer.target = target();
  answer.device = topic->device;
  answer.at_ms = context_.wall_now_ms();
  const auto id = topic->numbered ? std::nullopt : parse_uuid(topic->id);
  answer.alias = topic->numbered ? parse_alias(topic->id) : 0;
  if (!id && answer.alias == 0) {
    refuse_answer(RejectReason::unknown_command, sequence, topic->device, publish.topic,
                  "the topic does not end with the id of a command",
                  model::printable(publish.payload));
    return true;
  }
  answer.id = id.value_or(Uuid());
  ParsedAnswer parsed = topic->numbered ? parse_bare_answer(context_.answer_reader, publish.payload)
                                        : parse_answer(context_.answer_reader, publish.payload,
                                                       status_of(publish.user_properties));
  answer.status = parsed.status;
  answer.result = std::move(parsed.result);
  answer.reason = std::move(parsed.reason);

  Commands& state = commands();
  answer.token = ++state.last_token;
  const std::size_t bytes = answer.result.size() + sizeof answer;
  state.answer_bytes += bytes;
  state.answers.push_back({answer.token, sequence, bytes, answer.device,
                           std::string(publish.topic.substr(0, model::kRejectionTextBytesMax)),
                           model::printable(publish.payload)});
  const auto awaited =
      std::find_if(state.awaited.begin(), state.awaited.end(), [&](const Uuid& other) {
        return id ? other == *id : model::alias_of(other) == answer.alias;
      });
  if (awaited != state.awaited.end()) {
    cool(Uuid(*awaited));
  }
  if (state.answers.size() >= kUnsettledAnswersMax ||
      state.answer_bytes >= kUnsettledAnswerBytesMax) {
    paused_ = true;
    port_.pause_reading(true);
  }
  port->tell(std::move(answer));
  return true;
}

void MqttSession::on_settle(const SettleAnswer& settled) {
  if (state_ == State::closing || !commands_) {
    return;
  }
  auto& answers = commands_->answers;
  const auto found = std::find_if(answers.begin(), answers.end(),
                                  [&](const auto& other) { return other.token == settled.token; });
  if (found == answers.end()) {
    return;
  }
  const Commands::Answer answer = std::move(*found);
  answers.erase(found);
  commands_->answer_bytes -= answer.bytes;
  context_.counters.answers[static_cast<std::size_t>(settled.verdict)].add();
  switch (settled.verdict) {
  case SettleAnswer::Verdict::taken:
    if (answer.sequence != kNoSequence) {
      settle(answer.sequence, RejectReason::none);
    }
    break;
  case SettleAnswer::Verdict::unknown:
    refuse_answer(RejectReason::unknown_command, answer.sequence, answer.device, answer.topic,
                  "the device has no such command", answer.sample);
    break;
  case SettleAnswer::Verdict::late:
    refuse_answer(RejectReason::late_answer, answer.sequence, answer.device, answer.topic,
                  "the command ended before its answer came", answer.sample);
    break;
  case SettleAnswer::Verdict::unavailable:
    if (answer.sequence != kNoSequence) {
      refuse(Reason::implementation_specific_error, "answers can not be stored now");
      return;
    }
    break;
  }
  resume_if_room();
}

/// Recorded like any refused payload; its receipt acknowledges it.
void MqttSession::refuse_answer(RejectReason reason, std::uint32_t sequence,
                                std::string_view device, std::string_view topic,
                                std::string_view detail, std::string sample) {
  const model::ShardId shard = context_.store.shard_of(device);
  model::TelemetryBlock& block = context_.writer.open_block(shard);
  model::Message message;
  message.received_ms = context_.loop.wall_now_ms();
  message.protocol = protocol();
  message.rows_begin = static_cast<std::uint32_t>(block.rows.size());
  message.name_begin = static_cast<std::uint32_t>(block.names.size());
  message.name_bytes = static_cast<std::uint32_t>(device.size());
  block.names.append(device);
  message.rejected = 1;
  message.ack = {slot_, generation_, sequence};
  if (sequence != kNoSequence) {
    publishing_->in_flight.at(sequence).refused = reason;
  }
  model::Rejection& rejection = block.rejections.emplace_back();
  rejection.received_ms = message.received_ms;
  rejection.reason = reason;
  rejection.protocol = message.protocol;
  rejection.device =
      model::device_id_fault(device) == nullptr ? std::string(device) : model::printable(device);
  rejection.topic = topic.substr(0, model::kRejectionTextBytesMax);
  rejection.detail = detail;
  rejection.sample = std::move(sample);
  context_.writer.add(shard, message);
}

} // namespace spate::actors
