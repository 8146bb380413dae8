// Spate - what the generator reads from outside: a server's packets, recorded lines, an API's
// pages.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "loadgen/commands/command_load.hpp"
#include "loadgen/fleet/client_session.hpp"
#include "loadgen/fleet/device_commands.hpp"
#include "loadgen/load/replay_file.hpp"
#include "loadgen/proof/ledger_text.hpp"
#include "loadgen/proof/page_source.hpp"
#include "loadgen/receive/received_record.hpp"
#include "loadgen/receive/subscriber_session.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

void check(bool holds) {
  if (!holds) {
    std::abort();
  }
}

struct Count final : SessionEvents {
  explicit Count(wire::Version v) : version(v) {}
  void on_online(bool) override {}
  void on_command(const wire::Publish& publish) override {
    const CommandAddress address = address_of(publish, version);
    std::uint8_t slot = 0;
    if (commands.take(address, 0, slot) == DeviceCommands::Taken::fresh) {
      check(commands.make_ready(slot, commands.taken()));
    }
    check(commands.open() <= DeviceCommands::kOpenMax);
  }
  bool on_answer_acked(std::uint16_t id, wire::Reason) override { return commands.acked(id); }
  void on_answered(const Message&, wire::Reason) override { ++answered; }
  void on_pong() override {}
  const wire::Version version;
  std::size_t answered = 0;
  DeviceCommands commands;
};

/// The first byte says which QoS and version, and whether commands are taken; what follows comes
/// from the server.
void read_packets(std::string_view bytes) {
  static const std::vector<Template> templates = load_templates("small", 1).value();
  if (bytes.empty()) {
    return;
  }
  SessionOptions options;
  options.qos = static_cast<std::uint8_t>(1 + (bytes[0] & 1));
  options.version = (bytes[0] & 2) != 0 ? wire::Version::v5 : wire::Version::v311;
  options.commands = (bytes[0] & 4) != 0;
  if ((bytes[0] & 12) != 0) {
    options.subscribe = TopicTemplate(kCommandFilter);
  }
  const DeviceNames names("dev-", 1, 1);
  const DeviceShare share{&names, &names, 1};
  ClientSession session(options, share, 0);
  TemplatePayloads payloads(templates);
  Count events(options.version);
  std::string out;
  session.connect(out);
  const std::string_view packets = bytes.substr(1);
  std::size_t published = 0;
  for (std::size_t at = 0; at < packets.size();) {
    const auto used = session.receive(packets.substr(at), out, events);
    if (!used || *used == 0) {
      break;
    }
    at += *used;
    while (const DeviceCommands::Open* command = events.commands.next_ready()) {
      if (!session.can_answer()) {
        break;
      }
      session.answer(out, command->topic, command->correlation, "{}", command->packet_id, false);
      events.commands.sent();
    }
    while (session.can_publish()) {
      session.publish(out, payloads, {0, 0, 1594598424502, payloads.next()});
      ++published;
    }
    check(published == events.answered + session.in_flight());
  }
}

struct Take final : SubscriberEvents {
  void on_subscribed() override {}
  void on_message(const wire::Publish& message) override {
    (void)read_received(message.payload, scratch);
  }
  std::vector<JsonSpan> scratch;
};

/// The same for a subscriber.
void read_messages(std::string_view bytes) {
  SubscriberOptions options;
  options.version = bytes.empty() || (bytes[0] & 2) != 0 ? wire::Version::v5 : wire::Version::v311;
  options.filters = {"+"};
  SubscriberSession session(options);
  Take events;
  std::string out;
  session.connect(out);
  const std::string_view packets = bytes.substr(bytes.empty() ? 0 : 1);
  std::size_t whole_bytes = 0;
  const auto used = session.receive(packets, out, events, whole_bytes);
  check(!used || *used <= packets.size());
}

void read_texts(std::string_view text) {
  std::vector<JsonSpan> scratch;
  ReplayLine line;
  if (parse_replay_line(text, scratch, line)) {
    std::uint64_t hash = 0;
    if (const auto payload = replay_payload(ReplayForm::flat, 5, line.payload, hash)) {
      check(json_members(*payload, scratch).has_value());
      std::uint64_t again = 0;
      const auto record = replay_payload(ReplayForm::record, 5, line.payload, again);
      check(record && json_members(*record, scratch).has_value() && hash == again);
    }
  }
  (void)parse_page(text);
  (void)parse_command_body(text);
  (void)parse_ledger_line(text);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_packets(bytes);
  read_messages(bytes);
  read_texts(bytes);
  return 0;
}
