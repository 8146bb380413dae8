// What comes: messages that are counted, commands and the answers to them; telemetry is in
// device_group_load.cpp.
#include <charconv>
#include <string>

#include "loadgen/fleet/device_group.hpp"

namespace spate::loadgen {

void DeviceGroup::on_subscribed() {
  ++subscribed_;
  settle(devices_[current_]);
}

void DeviceGroup::on_message(const wire::Publish& publish) {
  ++moves_;
  ++recent_.received;
  recent_.received_bytes += publish.payload.size();
  // What this generator sends begins with its time; it was made when the message was taken.
  constexpr std::string_view kTime = "{\"ts\":";
  if (!publish.payload.starts_with(kTime)) {
    return;
  }
  std::int64_t ts = 0;
  const char* digits = publish.payload.data() + kTime.size();
  const auto read = std::from_chars(digits, publish.payload.data() + publish.payload.size(), ts);
  const std::int64_t since_ms = wall_ms_ - ts;
  if (read.ec == std::errc{} && since_ms >= 0 && measured(now_ns_)) {
    recent_.delivery.record(static_cast<std::uint64_t>(since_ms) * 1'000'000);
  }
}

void DeviceGroup::on_command(const wire::Publish& publish) {
  Device& device = devices_[current_];
  const CommandAddress address = address_of(publish, plan_.session.version);
  ++moves_;
  if (address.response_topic.empty()) {
    ++recent_.commands;
    ++recent_.commands_unanswerable;
    recent_.error("a command named no place for its answer");
    return;
  }
  if (!device.commands) {
    device.commands = std::make_unique<DeviceCommands>();
  }
  std::int64_t due_ns = now_ns_ + plan_.answer_after_ns;
  if (plan_.answer_jitter_ns > 0) {
    due_ns +=
        static_cast<std::int64_t>(random_.unit() * static_cast<double>(plan_.answer_jitter_ns));
  }
  std::uint8_t slot = 0;
  switch (device.commands->take(address, due_ns, slot)) {
  case DeviceCommands::Taken::repeated: // Once is enough: its answer is under way, or was taken.
    ++recent_.commands_repeated;
    return;
  case DeviceCommands::Taken::full:
    ++recent_.commands;
    ++recent_.commands_unanswerable;
    recent_.error("more commands without acknowledged answer than a device keeps");
    return;
  case DeviceCommands::Taken::fresh:
    break;
  }
  ++recent_.commands;
  ++answers_open_;
  const std::uint64_t number = device.commands->taken();
  if (due_ns <= now_ns_) {
    device.commands->make_ready(slot, number);
  } else {
    answers_due_.push({due_ns, number, current_, slot});
  }
}

void DeviceGroup::answer_due(std::int64_t now_ns) {
  while (!answers_due_.empty() && answers_due_.top().due_ns <= now_ns) {
    const AnswerDue due = answers_due_.top();
    answers_due_.pop();
    Device& device = devices_[due.device];
    if (device.commands && device.commands->make_ready(due.slot, due.number)) {
      send_answers(due.device, now_ns);
    }
  }
}

void DeviceGroup::send_answers(std::uint32_t index, std::int64_t now_ns) {
  Device& device = devices_[index];
  if (device.faulted || !device.session.can_answer() || device.commands->next_ready() == nullptr) {
    return;
  }
  std::string& out = port_.output(index);
  while (const DeviceCommands::Open* command = device.commands->next_ready()) {
    if (!device.session.can_answer()) {
      break;
    }
    if (!command->again) {
      ++recent_.answers;
      recent_.answer_lag.record(static_cast<std::uint64_t>(now_ns - command->due_ns));
    }
    const std::string payload =
        R"({"status":"ok","result":{"count":)" + std::to_string(command->number) + "}}";
    device.session.answer(out, command->topic, command->correlation, payload, command->packet_id,
                          command->dup);
    device.commands->sent();
  }
  device.last_sent_ns = now_ns;
  port_.sent(index);
  port_.flush(index); // The loop may have a thousand other sockets to read before its end.
}

bool DeviceGroup::on_answer_acked(std::uint16_t id, wire::Reason reason) {
  Device& device = devices_[current_];
  if (!device.commands || !device.commands->acked(id)) {
    return false;
  }
  --answers_open_;
  ++moves_;
  if (static_cast<std::uint8_t>(reason) >= 0x80) {
    ++recent_.answers_refused;
    recent_.error("answer refused: " + std::string(wire::name_of(reason)));
  } else {
    ++recent_.answers_acked;
  }
  return true;
}

void DeviceGroup::abandon_answers(Device& device) {
  if (!device.commands) {
    return;
  }
  const std::size_t lost = device.commands->abandon();
  answers_open_ -= lost;
  recent_.answers_lost += lost;
  if (lost != 0) {
    recent_.error(finished_ ? "answers not acknowledged until the end"
                            : "answers lost with their connection",
                  lost);
  }
}

} // namespace spate::loadgen
